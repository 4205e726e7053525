"""Cases with a known relation between two tasks: one signal shared by both, or two that compete."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.inputs import Features
from voicerisk.errors import MultitaskError

RELATIONS = ("shared", "conflict", "none")
CLASSES: Mapping[str, tuple[str, ...]] = {
    "severity": ("none", "low_moderate", "high"),
    "risk": ("low", "raised"),
}


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedTasks:
    """What `simulate_tasks` makes.

    Parameters
    ----------
    cases : DataFrame
        case_id, person_id, severity, risk, age, sex.
    features : Features
        W (audio) and E (text).
    classes : mapping
    """

    cases: pd.DataFrame
    features: Features
    classes: Mapping[str, tuple[str, ...]]


def simulate_tasks(
    n: int = 200, relation: str = "shared", n_features: int = 24, noise: float = 2.0, seed: int = 1
) -> SimulatedTasks:
    """Simulate embeddings of two modalities, a clear label (severity) and a noisy one (risk).

    Parameters
    ----------
    n : int
        Cases, each of another person.
    relation : {'shared', 'conflict', 'none'}
        ``shared``: one direction of the embeddings carries both labels; risk is the same latent state seen
        with noise, so that severity can teach where to look. ``conflict``: risk depends on a direction at
        right angles to that of severity, for which a narrow shared layer has no room. ``none``: labels of
        chance.
    n_features : int
        Numbers a modality.
    noise : float
        SD of the noise on the latent state of risk (that of severity has 0.3; the states have 1).
    seed : int

    Returns
    -------
    SimulatedTasks

    Examples
    --------
    >>> simulate_tasks(50, relation="none", seed=3).features.blocks["W"].shape
    (50, 24)
    """
    if relation not in RELATIONS:
        raise MultitaskError(f"relation must be one of {', '.join(RELATIONS)}, not {relation!r}.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, n_features)))
    x = rng.normal(size=(n, 2 * n_features))
    directions = np.linalg.qr(rng.normal(size=(2 * n_features, 2)))[0].T
    of_severity = x @ directions[0]
    of_risk = of_severity if relation == "shared" else x @ directions[1]
    if relation == "none":
        of_severity, of_risk = rng.normal(size=(2, n))
    severity = of_severity + 0.3 * rng.normal(size=n)
    risk = of_risk + noise * rng.normal(size=n)
    cuts = np.quantile(severity, [0.5, 0.65])
    names = np.array(CLASSES["severity"])[np.searchsorted(cuts, severity)]
    ids = [f"case{number:04d}" for number in range(n)]
    cases = pd.DataFrame(
        {
            "case_id": ids, "person_id": ids, "severity": names,
            "risk": np.where(risk > np.quantile(risk, 0.55), "raised", "low"),
            "age": rng.integers(18, 80, size=n).astype(float),
            "sex": rng.choice(["female", "male"], size=n),
        }
    )  # fmt: skip
    blocks = {"W": x[:, :n_features], "E": x[:, n_features:]}
    return SimulatedTasks(cases, Features(blocks, {"W": "audio", "E": "text"}), CLASSES)
