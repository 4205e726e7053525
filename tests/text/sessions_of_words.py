"""Made-up sessions: everyday words in all of them, and some words that a class uses more often."""

import numpy as np
import pandas as pd

EVERYDAY = [
    "heute", "schule", "mutter", "freund", "abend", "essen", "wetter", "musik", "zimmer", "woche", "lehrer",
    "hund", "buch", "spiel", "film", "regen", "auto", "bus", "haus", "garten",
]  # fmt: skip
OF_CLASS = {
    "NS": ["danke", "besser", "hilft", "ruhig", "lachen", "freue"],
    "SI": ["allein", "sinnlos", "weinen", "traurig", "nutzlos", "leer"],
    "ASE": ["tabletten", "bruecke", "abschiedsbrief", "sterben", "heutenacht", "seil"],
}


def make_messages(
    n: int = 90, seed: int = 0, planted: float = 0.35, users: int | None = None
) -> pd.DataFrame:
    """Return messages of n sessions, a share `planted` of the words from the class's own.

    Columns session_id, user_id, time, role, text, age, label; classes NS, SI, ASE in turn.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        label = ("NS", "SI", "ASE")[number % 3]
        user = f"u{number if users is None else number % users:03d}"
        for turn in range(int(rng.integers(3, 7))):
            words = [
                str(rng.choice(OF_CLASS[label] if rng.random() < planted else EVERYDAY))
                for _ in range(rng.integers(3, 8))
            ]
            rows.append(
                {
                    "session_id": f"s{number:03d}", "user_id": user, "time": f"2022-03-01T10:{turn:02d}:00",
                    "role": "user", "text": " ".join(words), "age": 14 + number % 9, "label": label,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
