"""What the predictions of a text study are worth: every table that figures and publication tables draw on."""

import numpy as np
import pandas as pd

from voicerisk.callers.schema import classes_of
from voicerisk.deep.chats.learning import NESTED, PUBLISHED
from voicerisk.text.settings import TextSettings
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.calibration import murphy
from voicerisk.validation.metrics.classes.decisions import (
    MACRO,
    PERCENTILE,
    brier_skill,
    class_decisions,
    class_losses,
)
from voicerisk.validation.metrics.classes.one_against_rest import at_class_prevalence, one_against_rest
from voicerisk.validation.metrics.discrimination import auroc

DECIDED = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "youden_j")
DUPLICATES = "row_bootstrap_duplicates_as_independent"
PAPER_WARNING = (
    "The published protocol repeats what the paper did, flaws included: the test part was oversampled, "
    "so that "
    "predictive values, F1, Brier score, calibration and net benefit belong to classes of equal size; "
    "training was "
    "stopped on the test part; of the repeats the best one on its own test part is shown. These numbers "
    "are there "
    "to be compared, not to be believed."
)


def by_repeat(predictions: pd.DataFrame) -> pd.DataFrame:
    """Measure each repeat by itself.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table with several classes.

    Returns
    -------
    DataFrame
        protocol, model, repeat, n, auroc (macro), accuracy, sensitivity, ppv, f1 (macro), log_loss, brier,
        best
        (the largest macro AUROC of its protocol and model).
    """
    classes = classes_of(predictions)
    rows = []
    for (protocol, model, repeat), part in predictions.groupby(["protocol", "model", "repeat"], sort=True):
        y = part["y"].astype(str).map({name: k for k, name in enumerate(classes)}).to_numpy()
        score = part[[f"p_raw_{name}" for name in classes]].to_numpy(dtype=np.float64)
        p = part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        weight = part["weight"].to_numpy(dtype=np.float64)
        one, groups = np.ones((1, 1)), np.zeros(len(part), dtype=np.int64)
        decided = class_decisions(y, score, groups, weight, one)
        losses = class_losses(y, p, groups, weight, one)
        times = weight.astype(np.int64)
        areas = [
            auroc(np.repeat(y == k, times).astype(int), np.repeat(score[:, k], times))
            for k in range(len(classes))
        ]
        rows.append(
            {
                "protocol": protocol, "model": model, "repeat": repeat, "n": len(part),
                "auroc": float(np.mean(areas)),
                **{name: float(decided[-1, name][0]) for name in ("accuracy", "sensitivity", "ppv", "f1")},
                **{name: float(values[0]) for name, values in losses.items()},
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    best = table.groupby(["protocol", "model"])["auroc"].transform("idxmax")
    return table.assign(best=table.index == best)


def shown_predictions(predictions: pd.DataFrame, repeats: pd.DataFrame) -> pd.DataFrame:
    """Keep all repeats of `nested`, and of `published` the best one of each model, as the paper chose it."""
    best = repeats.loc[(repeats["protocol"] == PUBLISHED) & repeats["best"], ["model", "repeat"]]
    chosen = pd.MultiIndex.from_frame(predictions[["model", "repeat"]]).isin(pd.MultiIndex.from_frame(best))
    return predictions[(predictions["protocol"] != PUBLISHED) | chosen]


def duplicated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Write each repetition of a test session as a row of its own, a session and a user apart.

    This is how the paper's bootstrap saw its oversampled test set.
    """
    times = predictions["weight"].to_numpy().astype(np.int64)
    rows = predictions.loc[predictions.index.repeat(times)].reset_index(drop=True)
    copy = rows.groupby(["model", "repeat", "call_id"]).cumcount().astype(str)
    return rows.assign(
        call_id=rows["call_id"].astype(str) + "#" + copy,
        caller_id=rows["call_id"].astype(str) + "#" + copy,
        weight=1.0,
    )


def text_metrics(
    shown: pd.DataFrame, predictions: pd.DataFrame, settings: TextSettings
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Measure the predictions that are shown.

    Parameters
    ----------
    shown : DataFrame
        From `shown_predictions`.
    predictions : DataFrame
        All repeats: models are compared on the same sessions, and the best repeat of each may be another one.
    settings : TextSettings

    Returns
    -------
    metrics : DataFrame
        metrics.csv. Rows of `published` come twice: with intervals over users, and with the paper's, over
        rows
        with repetitions as if they were independent.
    at_prevalence : DataFrame or None
        The same metrics of `nested` at the shares of `[text] prevalence`.
    notes : list of str
    """
    own = ValidationSettings(seed=settings.seed)

    def measure(table: pd.DataFrame) -> pd.DataFrame:
        return compute_metrics(
            table, own, n_boot=settings.bootstraps, units=("call",), subgroups=settings.subgroup_columns
        )

    metrics = measure(shown)
    # Classes are decided for by the likeliest one: that there is no cut is no news.
    notes = [str(note) for note in metrics.attrs["notes"] if "found a cut" not in str(note)]
    parts = [metrics]
    published = shown[shown["protocol"] == PUBLISHED]
    if len(published):
        naive = measure(duplicated(published))
        parts.append(naive[naive["method"] == PERCENTILE].assign(method=DUPLICATES))
    if shown["model"].nunique() > 1:
        parts.append(
            brier_skill(predictions, settings.compared_with, settings.bootstraps, seed=settings.seed)
        )
    nested = shown[shown["protocol"] == NESTED]
    moved = None
    if settings.prevalence and len(nested):
        moved = measure(at_class_prevalence(nested, settings.prevalence))
    return pd.concat(parts, ignore_index=True)[list(metrics.columns)], moved, list(dict.fromkeys(notes))


def against_reference(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two binary tables of any class against the reference class: of risks, and of decisions.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table with several classes, the reference first.

    Returns
    -------
    risks : DataFrame
        y is 1 unless the class is the reference; p_raw and p are 1 minus the reference's.
    decisions : DataFrame
        The same with p_raw 1 where another class than the reference is the likeliest, cut at 0.5.
    """
    classes = classes_of(predictions)
    score = predictions[[f"p_raw_{name}" for name in classes]].to_numpy(dtype=np.float64)
    gone = [f"{kind}_{name}" for name in classes for kind in ("p_raw", "p")]
    risks = predictions.drop(columns=gone).assign(
        y=(predictions["y"].astype(str) != classes[0]).astype("int64"),
        p_raw=1.0 - predictions[f"p_raw_{classes[0]}"],
        p=1.0 - predictions[f"p_{classes[0]}"],
        threshold=np.nan,
    )
    return risks, risks.assign(p_raw=(score.argmax(axis=1) != 0).astype(np.float64), threshold=0.5)


def any_metrics(shown: pd.DataFrame, settings: TextSettings) -> pd.DataFrame:
    """Measure any class against the reference class.

    Parameters
    ----------
    shown : DataFrame
        From `shown_predictions`.
    settings : TextSettings

    Returns
    -------
    DataFrame
        The schema of metrics.csv. Metrics of decisions are of the likeliest class (flagged: not the
        reference), all others of the risk of any class.
    """
    own = ValidationSettings(seed=settings.seed)
    risks, decisions = (
        compute_metrics(
            one, own, n_boot=settings.bootstraps, units=("call",), subgroups=settings.subgroup_columns
        )
        for one in against_reference(shown)
    )
    decided = decisions[decisions["metric"].isin(DECIDED)]
    both = pd.concat([risks[~risks["metric"].isin(DECIDED)], decided], ignore_index=True)
    return both.assign(**{"class": "any"})


def brier_parts(shown: pd.DataFrame) -> pd.DataFrame:
    """Decompose the Brier score of each class against the rest, over ten bins, repeats averaged.

    Returns
    -------
    DataFrame
        protocol, model, class, reliability, resolution, uncertainty, within_bins (variance less covariance
        inside bins), brier: reliability - resolution + uncertainty + within_bins, exactly. The class
        `macro` is
        the mean over classes.
    """
    rows = []
    for (protocol, model), table in shown.groupby(["protocol", "model"], sort=True):
        for name in classes_of(shown):
            binary = one_against_rest(table, name)
            found = []
            for _, part in binary.groupby("repeat"):
                times = part["weight"].to_numpy().astype(np.int64)
                y, p = (np.repeat(part[column].to_numpy(dtype=np.float64), times) for column in ("y", "p"))
                parts = murphy(y, p)
                within = parts.within_variance - parts.within_covariance
                found.append((parts.reliability, parts.resolution, parts.uncertainty, within, parts.brier))
            names = ("reliability", "resolution", "uncertainty", "within_bins", "brier")
            of_class = dict(zip(names, np.mean(found, axis=0), strict=True))
            rows.append({"protocol": protocol, "model": model, "class": name, **of_class})
    table = pd.DataFrame(rows)
    mean = (
        table.groupby(["protocol", "model"], as_index=False)
        .mean(numeric_only=True)
        .assign(**{"class": MACRO})
    )
    return pd.concat([table, mean[table.columns]], ignore_index=True)
