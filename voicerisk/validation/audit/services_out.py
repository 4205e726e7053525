"""Leave one service out: what a model learned elsewhere does in a service that it never met.

A caller left out of a model still calls a service that the model knows: its lines, counsellors and ratings.
How far results spread over services, and what to expect in a new one, is seen only where whole services are
left out.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.callers.draws import draw_callers
from voicerisk.callers.folds import caller_table, strata_columns
from voicerisk.callers.schema import check_calls, require_columns
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.audit.findings import Finding
from voicerisk.validation.audit.permutation import MakeFitPaths
from voicerisk.validation.metrics.calibration import calibration_draws
from voicerisk.validation.metrics.discrimination import obuchowski
from voicerisk.validation.metrics.logistic import expit
from voicerisk.validation.protocols.fold_plan import plan_split
from voicerisk.validation.protocols.outer_fold import finish_fold
from voicerisk.validation.protocols.run import LEAST_CALLERS, NESTED
from voicerisk.validation.resume import Resume
from voicerisk.validation.settings import ValidationSettings

CALIBRATION = ("calibration_slope", "calibration_in_the_large", "observed_expected")
METRICS = ("auroc", *CALIBRATION)
# A prediction interval from k results has k - 2 degrees of freedom.
LEAST_SERVICES = 3
NEW = "a new service"
COLUMNS = ("service", "metric", "estimate", "lower", "upper", "n_callers", "n_calls", "n_events", "note")
Record = dict[str, list[float]]


def leave_services_out(
    calls: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    service: str,
    resume: Resume | None = None,
) -> pd.DataFrame:
    """Run the nested procedure with one service left out at a time.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata, `service` among them.
    make_fit_paths : callable
        Calls -> refit function.
    settings : ValidationSettings
    service : str
        The stratum that names the service.
    resume : Resume, optional
        Steps are names of services, their records risks.

    Returns
    -------
    DataFrame
        service, metric (auroc, calibration_slope, calibration_in_the_large, observed_expected), estimate,
        lower, upper (95%, over callers, given the scores: the AUROC by Obuchowski on the log-odds, the
        others by a caller bootstrap), n_callers, n_calls, n_events, note. Risks are at the share of calls
        with the outcome in the services that were learned from. With three services or more the rows of `a
        new service` hold the AUROC of a random-effects summary with its prediction interval.

    Raises
    ------
    ValidationError
        Where `calls` lacks the column, or names one service only.

    References
    ----------
    Debray et al. 2017, BMJ 356:i6460 (summary and prediction interval on the log-odds of the AUROC);
    tau2 by Paule and Mandel, `statsmodels.stats.meta_analysis.combine_effects`.
    """
    table = check_calls(calls)
    require_columns(table, (service,), "calls")
    known = table[service].astype(str)
    names = sorted(known.unique())
    if len(names) < 2:
        raise ValidationError(f"Column {service!r} names one service; two are needed to leave one out.")
    roaming = table.groupby("caller_id")[service].nunique()
    met_twice = set(roaming[roaming > 1].index)
    table = table[~table["caller_id"].isin(met_twice)].reset_index(drop=True)
    # The service must not shape the folds of models that never meet it.
    table[service] = table[service].astype(str)
    rows, steps = [], resume or Resume()
    for number, name in enumerate(names):
        here = table[service] == name
        record = dict(steps.finished.get(name, {}))
        lacking = _lacking(table, here.to_numpy())
        if not record and not lacking:
            record = _risks(table, here.to_numpy(), make_fit_paths, settings, service, number)
            steps.done(name, record)
        note = lacking
        if met_twice:
            note = f"{note}{'; ' if note else ''}{len(met_twice)} callers of several services left out"
        rows += _rows_of(name, table[here.to_numpy()], record, settings, number, note)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return pd.concat([found, new_service(found)], ignore_index=True)


def _lacking(table: pd.DataFrame, here: np.ndarray) -> str:
    """Return why a service cannot be left out; '' where it can."""
    least = LEAST_CALLERS["nested"]
    elsewhere = [table["caller_id"][~here & (table["y"] == v)].nunique() for v in (0, 1)]
    inside = [table["caller_id"][here & (table["y"] == v)].nunique() for v in (0, 1)]
    if min(elsewhere) < least:
        return (
            f"not estimable: elsewhere {elsewhere[0]} and {elsewhere[1]} callers of the classes, {least} are "
            "needed"
        )
    if min(inside) < 2:
        return f"no AUROC: {inside[0]} and {inside[1]} callers of the classes here, 2 are needed"
    return ""


def _risks(
    table: pd.DataFrame,
    here: np.ndarray,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    service: str,
    number: int,
) -> Record:
    """Return score and risk of a service's calls, by the procedure run on the calls of all others."""
    callers = caller_table(table, tuple(name for name in strata_columns(table) if name != service))
    inside = callers["caller_id"].isin(table.loc[here, "caller_id"]).to_numpy()
    # A new service's own share is not known: the risk is at that of the others.
    prior = settings.prior if settings.prior is not None else float(table.loc[~here, "y"].mean())
    plan = plan_split(
        callers[~inside], callers[inside], settings, f"services_out/{number:03d}", prior, number
    )
    switches = replace(NESTED, threshold_from="holdout")
    paths = iter(make_fit_paths(table)((*plan.inner, plan.outer), None))
    fold = finish_fold(plan, paths, table, settings, switches, prior, keep_frames=False)
    assert fold.calibration is not None  # the nested switches recalibrate
    order = np.argsort(fold.rows)
    return {"score": fold.score[order].tolist(), "p": fold.calibration(fold.score)[order].tolist()}


def _rows_of(
    name: str, part: pd.DataFrame, record: Record, settings: ValidationSettings, number: int, note: str
) -> list[tuple[object, ...]]:
    y = part["y"].to_numpy()
    size = part["caller_id"].nunique(), len(part), int(y.sum())
    if not record:
        return [(name, metric, np.nan, np.nan, np.nan, *size, note) for metric in METRICS]
    groups = np.unique(part["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    score, p = np.array(record["score"]), np.array(record["p"])
    area = obuchowski(y, score, groups)
    low, high = area.logit() if area.informative else (np.nan, np.nan)
    rows: list[tuple[object, ...]] = [(name, "auroc", area.auroc, low, high, *size, note)]
    rng = generator(Stream.SERVICES_OUT, settings.seed, number)
    counts, _ = draw_callers(groups, y, settings.bootstraps, rng)
    weights = np.vstack([np.ones(len(y)), counts[:, groups]])
    drawn = calibration_draws(y, p, weights)
    for metric in CALIBRATION:
        values = drawn[metric]
        # As in metrics.csv: a value that many resamples leave undefined has no interval.
        defined = np.isfinite(values[1:])
        bounds = (np.nan, np.nan)
        if defined.mean() >= 0.95:
            bounds = tuple(np.quantile(values[1:][defined], [0.025, 0.975]))
        rows.append((name, metric, float(values[0]), *bounds, *size, note))
    return rows


def new_service(services: pd.DataFrame) -> pd.DataFrame:
    """Summarise the AUROCs of services and say what to expect in a new one.

    Parameters
    ----------
    services : DataFrame
        As from `leave_services_out`, without its last rows.

    Returns
    -------
    DataFrame
        Two rows: the summary with its 95% confidence interval (Hartung and Knapp), and the same estimate
        with the 95% prediction interval for a new service (t with k - 2 degrees of freedom). None where
        fewer than three services have an interval.
    """
    from scipy.stats import norm
    from scipy.stats import t as student
    from statsmodels.stats.meta_analysis import combine_effects

    areas = services[services["metric"] == "auroc"]
    known = areas[areas["lower"].notna()]
    k = len(known)
    if k < LEAST_SERVICES:
        return services.iloc[:0]
    estimate, lower, upper = (known[name].to_numpy(np.float64) for name in ("estimate", "lower", "upper"))
    effect = np.log(estimate / (1.0 - estimate))
    se = (np.log(upper / (1.0 - upper)) - np.log(lower / (1.0 - lower))) / (2.0 * norm.ppf(0.975))
    both = combine_effects(effect, se**2, method_re="iterated", use_t=True)
    mean, tau2 = float(both.mean_effect_re), max(float(both.tau2), 0.0)
    # Where services happen to agree, Hartung and Knapp's error would fall below what their own errors allow.
    of_mean = max(float(both.sd_eff_w_re_hksj), float(both.sd_eff_w_re))
    far = float(student.ppf(0.975, k - 2)) * np.sqrt(tau2 + float(both.sd_eff_w_re) ** 2)
    near = float(student.ppf(0.975, k - 1)) * of_mean
    totals = tuple(int(known[name].sum()) for name in ("n_callers", "n_calls", "n_events"))
    left_out = ", ".join(areas.loc[areas["lower"].isna(), "service"])
    apart = f" (without {left_out}: no AUROC, or one without interval)" if left_out else ""
    said = (
        f"random effects over {k} of {len(areas)} services{apart}, between-service standard deviation "
        f"{np.sqrt(tau2):.2f} log-odds"
    )
    rows = []
    for what, half in (("confidence interval of the mean", near), ("prediction interval", far)):
        low, middle, high = expit(np.array([mean - half, mean, mean + half]))
        rows.append((NEW, "auroc", middle, low, high, *totals, f"{what}; {said}"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def service_findings(services: pd.DataFrame) -> list[Finding]:
    """Say where a service that was left out is not served: its ranking, or its mean risk.

    Parameters
    ----------
    services : DataFrame
        From `leave_services_out`.
    """
    found = []
    for row in services[services["service"] != NEW].to_dict("records"):
        shown = f"{row['estimate']:.2f} ({row['lower']:.2f} to {row['upper']:.2f}), {row['n_calls']} calls"
        if row["metric"] == "observed_expected" and (row["lower"] > 1.0 or row["upper"] < 1.0):
            way = "too low" if row["lower"] > 1.0 else "too high"
            found.append(
                Finding(
                    "service_calibration",
                    "note",
                    f"Learned elsewhere, risks are {way} for {row['service']}.",
                    f"observed / expected {shown}",
                    "Recalibrate in each service before risks are read there.",
                )
            )
    new = services[(services["service"] == NEW) & services["note"].str.startswith("prediction")]
    for row in new.to_dict("records"):
        if row["lower"] <= 0.5:
            found.append(
                Finding(
                    "new_service",
                    "note",
                    "In a new service the model may rank no better than chance.",
                    f"95% prediction interval of the AUROC {row['lower']:.2f} to {row['upper']:.2f}, "
                    f"{row['note'].partition('; ')[2]}",
                    "Validate in a service before use there, or gather more services.",
                )
            )
    return found
