"""From predictions to results: metrics, means over folds, transfer, missing modalities."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from voicerisk.callers.schema import classes_of
from voicerisk.deep.multitask.comparisons import compare_models, transfer_table
from voicerisk.models.gamm.p_values import holm
from voicerisk.types import Progress
from voicerisk.validation.metrics.classes.decisions import class_decisions
from voicerisk.validation.metrics.discrimination import auroc

# As the paper has them: recall and precision are sensitivity and positive predictive value.
METRICS = ("accuracy", "sensitivity", "ppv", "specificity", "f1", "auroc")
MACRO = "macro"


def measure_all(
    predictions: Mapping[str, pd.DataFrame], n_boot: int, seed: int, progress: Progress | None = None
) -> pd.DataFrame:
    """Return metrics.csv of both tasks: pooled out-of-fold predictions, intervals over persons.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        Task -> predictions table.
    n_boot, seed : int
    progress : callable, optional

    Returns
    -------
    DataFrame
    """
    from voicerisk.validation import ValidationSettings, compute_metrics

    parts = []
    for done, table in enumerate(predictions.values()):
        parts.append(compute_metrics(table, ValidationSettings(seed=seed), n_boot=n_boot, units=("call",)))
        if progress is not None:
            progress(done + 1, len(predictions))
    return pd.concat(parts, ignore_index=True)


def fold_means(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each metric as the paper has it: measured in each fold, averaged over folds.

    A fold of 20 cases holds two or three of a small class or none; what is undefined in a fold is left out
    of the mean and counted, which makes these numbers unstable. The pooled ones are in metrics.csv.

    Parameters
    ----------
    predictions : DataFrame
        Of one task.

    Returns
    -------
    DataFrame
        protocol, model, target, metric, mean, sd (over folds), n_folds, undefined. Of two classes, numbers
        are those of the last; of more, unweighted means over classes.
    """
    classes = classes_of(predictions)
    shown = [len(classes) - 1] if len(classes) == 2 else list(range(len(classes)))
    rows = []
    for names, run in predictions.groupby(["protocol", "model", "target"], sort=False):
        of_folds: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for _, part in run.groupby(["repeat", "fold"], sort=True):
            score = part[[f"p_raw_{name}" for name in classes]].to_numpy(dtype=np.float64)
            y = part["y"].map({name: k for k, name in enumerate(classes)}).to_numpy(dtype=np.int64)
            one = np.ones(1)
            found = class_decisions(y, score, np.zeros(len(y), dtype=np.int64), np.ones(len(y)), one[None, :])
            of_folds["accuracy"].append(float(found[-1, "accuracy"][0]))
            for metric in ("sensitivity", "ppv", "specificity", "f1"):
                of_folds[metric].append(float(np.mean([found[k, metric][0] for k in shown])))
            both = all(0 < (y == k).sum() < len(y) for k in shown)
            areas = [auroc((y == k).astype(np.int8), score[:, k]) for k in shown] if both else [np.nan]
            of_folds["auroc"].append(float(np.mean(areas)))
        for metric, values in of_folds.items():
            defined = np.asarray(values)[np.isfinite(values)]
            rows.append(
                {
                    **dict(zip(("protocol", "model", "target"), names, strict=True)), "metric": metric,
                    "mean": defined.mean() if len(defined) else np.nan,
                    "sd": defined.std(ddof=1) if len(defined) > 1 else np.nan,
                    "n_folds": len(values), "undefined": len(values) - len(defined),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def transfer(
    predictions: Mapping[str, pd.DataFrame], combinations: Sequence[str], n_boot: int, seed: int
) -> pd.DataFrame:
    """Compare multitask with single-task models of each input, by protocol and task (Table 5).

    Returns
    -------
    DataFrame
        As `transfer_table`; empty where not both kinds were run.
    """
    found = []
    for table in predictions.values():
        for _, own in table.groupby("protocol", sort=False):
            models = set(own["model"])
            pairs = [(f"stl:{c}", f"mtl:{c}") for c in combinations if {f"stl:{c}", f"mtl:{c}"} <= models]
            if pairs:
                found.append(compare_models(own, pairs, n_boot, seed))
    return transfer_table(found) if found else pd.DataFrame()


def ablation(
    predictions: Mapping[str, pd.DataFrame], hidden: Mapping[str, pd.DataFrame], n_boot: int, seed: int
) -> pd.DataFrame:
    """Compare each model of two modalities with itself when one is missing at prediction, and with one alone.

    Returns
    -------
    DataFrame
        As `compare_models`, with kind: 'missing at prediction' (the same network, the training mean in the
        place of a modality) or 'trained without' (the network of the other modality alone); first is the
        whole model, so that a negative difference is what the modality is worth. p_holm is over all rows of
        a protocol, task and kind.
    """
    found = []
    for task, table in predictions.items():
        for protocol, own in table.groupby("protocol", sort=False):
            models = set(own["model"])
            alone = [
                (model, f"{model.split(':')[0]}:{part}")
                for model in own["model"].unique()
                if "+" in model
                for part in model.split(":")[1].split("+")
                if f"{model.split(':')[0]}:{part}" in models
            ]
            missing = hidden[task][hidden[task]["protocol"] == protocol] if task in hidden else own.head(0)
            of_missing = [(name.split(" without ")[0], name) for name in missing["model"].unique()]
            both = pd.concat([own, missing], ignore_index=True) if len(missing) else own
            for kind, pairs in (("missing at prediction", of_missing), ("trained without", alone)):
                if pairs:
                    rows = compare_models(both, pairs, n_boot, seed)
                    p_holm = holm(rows["p_value"].to_numpy(dtype=np.float64))
                    found.append(rows.assign(kind=kind, p_holm=p_holm))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def against_demographics(predictions: Mapping[str, pd.DataFrame], n_boot: int, seed: int) -> pd.DataFrame:
    """Compare each model with the demographics-only baseline, Holm within protocol and task."""
    found = []
    for table in predictions.values():
        for _, own in table.groupby("protocol", sort=False):
            names = [name for name in own["model"].unique() if ":" in name]
            if "demographics" in set(own["model"]) and names:
                rows = compare_models(own, [("demographics", name) for name in names], n_boot, seed)
                found.append(rows.assign(p_holm=holm(rows["p_value"].to_numpy(dtype=np.float64))))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()
