"""Tables 2 and 3 of the paper: who the cases of each class are, with tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import MultitaskError

LEAST_EXPECTED = 5.0
PERMUTATIONS = 4999


def compare_groups(
    cases: pd.DataFrame, target: str, classes: Sequence[str], columns: Sequence[str], seed: int = 1
) -> pd.DataFrame:
    """Describe and test demographics between the classes of a task.

    Parameters
    ----------
    cases : DataFrame
        One row a case.
    target : str
        Column of class names.
    classes : sequence of str
    columns : sequence of str
        Numbers: mean and SD; Welch's t test for two classes, one-way ANOVA for more. Texts: counts;
        Pearson's chi-square without continuity correction, and beside it, where a count of less than 5 is
        expected, a permutation test of the same statistic.
    seed : int

    Returns
    -------
    DataFrame
        target, variable, value (empty for numbers), class, n, share, mean, sd, missing, test, statistic,
        p_value, p_permutation. Missing values are left out of tests and counted.

    Raises
    ------
    MultitaskError
        For an unknown column.
    """
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(columns):
        if name not in cases.columns:
            raise MultitaskError(f"The cases have no column {name!r} to describe.")
        column = cases[name]
        of_class = {label: column[cases[target] == label] for label in classes}
        found: dict[str, Any] = {"target": target, "variable": name}
        if pd.api.types.is_numeric_dtype(column):
            values = {label: part.dropna().to_numpy(dtype=np.float64) for label, part in of_class.items()}
            found |= _test_means(list(values.values()))
            for label, own in values.items():
                described = {
                    "value": "", "class": label, "n": len(own), "share": np.nan,
                    "mean": own.mean() if len(own) else np.nan,
                    "sd": own.std(ddof=1) if len(own) > 1 else np.nan,
                    "missing": int(of_class[label].isna().sum()),
                }  # fmt: skip
                rows.append({**found, **described})
            continue
        counts = pd.DataFrame(
            {label: part.dropna().astype(str).value_counts() for label, part in of_class.items()}
        )
        counts = counts.fillna(0).astype(int).sort_index()
        found |= count_test(counts.to_numpy(), np.random.default_rng([seed, number]))
        for value, line in counts.iterrows():
            for label in classes:
                total = int(counts[label].sum())
                described = {
                    "value": value, "class": label, "n": int(line[label]),
                    "share": line[label] / total if total else np.nan, "mean": np.nan, "sd": np.nan,
                    "missing": int(of_class[label].isna().sum()),
                }  # fmt: skip
                rows.append({**found, **described})
    names = [
        "target",
        "variable",
        "value",
        "class",
        "n",
        "share",
        "mean",
        "sd",
        "missing",
        "test",
        "statistic",
    ]
    return pd.DataFrame(rows, columns=[*names, "p_value", "p_permutation"])


def count_test(counts: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Test whether the rows of a table of counts are spread alike over its columns.

    Parameters
    ----------
    counts : ndarray of int, shape (values, classes)
    rng : numpy.random.Generator

    Returns
    -------
    dict
        test, statistic, p_value; p_permutation where a count of less than 5 is expected.
    """
    from scipy.stats import chi2

    kept = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(kept.shape) < 2:
        return {"test": "none", "statistic": np.nan, "p_value": np.nan, "p_permutation": np.nan}
    n = kept.sum()
    expected = np.outer(kept.sum(axis=1), kept.sum(axis=0)) / n
    statistic = float(((kept - expected) ** 2 / expected).sum())
    freedom = (kept.shape[0] - 1) * (kept.shape[1] - 1)
    out = {"test": "chi-square", "statistic": statistic, "p_value": float(chi2.sf(statistic, freedom))}
    out["p_permutation"] = np.nan
    if expected.min() < LEAST_EXPECTED:
        value = np.repeat(np.arange(kept.shape[0]), kept.sum(axis=1))
        label = np.concatenate([np.repeat(np.arange(kept.shape[1]), row) for row in kept])
        as_large = 0
        for _ in range(PERMUTATIONS):
            code = value * kept.shape[1] + rng.permutation(label)
            drawn = np.bincount(code, minlength=kept.size).reshape(kept.shape)
            as_large += ((drawn - expected) ** 2 / expected).sum() >= statistic - 1e-9
        out["p_permutation"] = (as_large + 1) / (PERMUTATIONS + 1)
    return out


def _test_means(groups: Sequence[np.ndarray]) -> dict[str, Any]:
    from scipy.stats import f_oneway, ttest_ind

    name = "Welch t" if len(groups) == 2 else "ANOVA"
    out: dict[str, Any] = {"test": name, "statistic": np.nan, "p_value": np.nan, "p_permutation": np.nan}
    if min(len(one) for one in groups) < 2 or np.ptp(np.concatenate(groups)) == 0.0:
        return out | {"test": "none"}
    found = ttest_ind(*groups, equal_var=False) if len(groups) == 2 else f_oneway(*groups)
    return out | {"statistic": float(found.statistic), "p_value": float(found.pvalue)}
