"""Tables of a made-up study, shaped as the stages of a real one write them; ids are hostile on purpose."""

import numpy as np
import pandas as pd

MARKERS = (
    "rms_db",
    "dom",
    "entropy",
    "f1_freq",
    "f1_width",
    "f2_freq",
    "f2_width",
    "f3_freq",
    "loudness",
    "quartile50",
    "roughness",
    "specSlope",
)
LABELS = {
    "rms_db": "RMS level (dB)",
    "dom": "Dominant frequency (Hz)",
    "entropy": "Wiener entropy",
    "f1_freq": "Formant 1 frequency (Hz)",
    "f1_width": "Formant 1 bandwidth (Hz)",
    "f2_freq": "Formant 2 frequency (Hz)",
    "f2_width": "Formant 2 bandwidth (Hz)",
    "f3_freq": "Formant 3 frequency (Hz)",
    "loudness": "Loudness (sone)",
    "quartile50": "Median frequency (Hz)",
    "roughness": "Roughness (%)",
    "specSlope": "Spectral slope (dB/kHz)",
}
RANGES = {
    "rms_db": (-45, -12),
    "dom": (90, 900),
    "entropy": (0.05, 0.6),
    "f1_freq": (300, 900),
    "f1_width": (30, 400),
    "f2_freq": (900, 2000),
    "f2_width": (50, 450),
    "f3_freq": (1900, 3000),
    "loudness": (2, 25),
    "quartile50": (300, 1800),
    "roughness": (5, 40),
    "specSlope": (-22, -2),
}
HOSTILE = ("<script>alert(1)</script>", "=cmd()", "$a_1$ & 100%", "_under_^{2}", "007")


def calls(n: int = 60, seed: int = 1) -> pd.DataFrame:
    """Return a calls table: 60 calls of 48 callers."""
    rng = np.random.default_rng(seed)
    caller = np.r_[np.arange(48), rng.integers(0, 48, n - 48)]
    outcome = (np.arange(48) % 4 == 0).astype(int)[caller]
    ids = [HOSTILE[i] if i < len(HOSTILE) else f"call_{i:03d}" for i in range(n)]
    callers = [HOSTILE[i] if i < len(HOSTILE) else f"caller {i:02d}" for i in caller]
    return pd.DataFrame(
        {
            "call_id": ids,
            "caller_id": callers,
            "sex": np.where(caller % 2 == 0, "female", "male"),
            "outcome": outcome,
            "file": [f"audio/{i:03d}.wav" for i in range(n)],
            "path": [f"/nowhere/{i:03d}.wav" for i in range(n)],
            "service": np.where(caller % 12 == 0, "000", "On The Line"),
            "age": rng.integers(18, 80, n).astype(float),
        }
    )


def flow() -> pd.DataFrame:
    """Return an exclusion flow over four units, as the cohort and the audio stage count it."""
    rows = [
        ("listed", "call", "", 0, 96),
        ("listed", "caller", "", 0, 77),
        ("outcome", "call", "outcome is empty", 4, 92),
        ("outcome", "caller", "outcome is empty", 3, 74),
        ("outcome", "call", "C-SSRS 3 or 4 (moderate risk)", 24, 68),
        ("outcome", "caller", "C-SSRS 3 or 4 (moderate risk)", 20, 54),
        ("outcome", "call", "C-SSRS 0, which the study file does not map", 2, 66),
        ("outcome", "caller", "C-SSRS 0, which the study file does not map", 0, 54),
        ("recordings", "call", "recording has no sample", 1, 65),
        ("recordings", "caller", "recording has no sample", 1, 53),
        ("labels", "span", "", 0, 1190),
        ("labels", "span", "label not among those kept", 388, 802),
        ("labels", "span", "zero length", 5, 797),
        ("labels", "call", "no span is left", 3, 62),
        ("labels", "caller", "no span is left", 3, 50),
        ("silence", "frame", "silent frame", 183_286, 352_332),
        ("silence", "call", "no frame left", 2, 60),
        ("silence", "caller", "no frame left", 2, 48),
    ]
    return pd.DataFrame(rows, columns=["step", "unit", "reason", "n", "remaining"])


def groups() -> pd.DataFrame:
    """Return the boxes at the end of the flow."""
    rows = [
        ("outcome 1", "call", 15),
        ("outcome 1", "caller", 12),
        ("outcome 0", "call", 45),
        ("outcome 0", "caller", 36),
    ]
    return pd.DataFrame(rows, columns=["group", "unit", "n"])


def curves(seed: int = 2) -> pd.DataFrame:
    """Return GAMM curves with pointwise and simultaneous bands."""
    rng = np.random.default_rng(seed)
    parts = []
    for marker in MARKERS:
        low, high = RANGES[marker]
        for sex in ("female", "male"):
            shift = 0.06 * (high - low) * (sex == "male")
            x = np.linspace(low + shift, high - shift, 100)
            u = (x - low) / (high - low) - 0.5
            estimate = (
                rng.normal(0, 1.2) * u
                + rng.normal(0, 2.5) * (u**2 - 1 / 12)
                + rng.normal(0, 0.4) * np.sin(6 * u)
            )
            se = 0.12 + 1.2 * u**2
            parts.append(
                pd.DataFrame(
                    {
                        "marker": marker,
                        "sex": sex,
                        "x": x,
                        "estimate": estimate,
                        "se": se,
                        "lower": estimate - 1.96 * se,
                        "upper": estimate + 1.96 * se,
                        "lower_simultaneous": estimate - 2.9 * se,
                        "upper_simultaneous": estimate + 2.9 * se,
                        "level": 0.95,
                        "scale": "log-odds",
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def observed(seed: int = 3) -> pd.DataFrame:
    """Return observed values for the rugs."""
    rng = np.random.default_rng(seed)
    parts = []
    for marker in MARKERS:
        low, high = RANGES[marker]
        for sex in ("female", "male"):
            parts.append(
                pd.DataFrame({"marker": marker, "sex": sex, "x": low + (high - low) * rng.beta(4, 4, 300)})
            )
    return pd.concat(parts, ignore_index=True)


def smooths(seed: int = 4) -> pd.DataFrame:
    """Return the GAMM's table of smooths."""
    rng = np.random.default_rng(seed)
    rows = []
    for marker in MARKERS:
        for sex in ("female", "male"):
            edf = 1 + rng.gamma(1, 1)
            p = float(rng.choice([1e-7, 0.0004, 0.0123, 0.049, 0.2, 0.8, 0.9996]))
            rows.append(
                (marker, sex, edf, edf + 0.3, rng.gamma(2, 3), "F", p, min(1, 24 * p), min(1, 6 * p), True)
            )
    return pd.DataFrame(
        rows,
        columns=[
            "marker",
            "sex",
            "edf",
            "ref_df",
            "statistic",
            "statistic_name",
            "p_value",
            "p_holm",
            "p_bh",
            "selected_on_same_labels",
        ],
    )


def terms() -> pd.DataFrame:
    """Return the GAMM's parametric terms."""
    return pd.DataFrame(
        {
            "term": ["(Intercept)", "sex: male"],
            "estimate": [-1.2, -0.84],
            "se": [0.2, 0.29],
            "lower": [-1.592, -1.4084],
            "upper": [-0.808, -0.2716],
            "statistic": [-6.0, -2.9],
            "statistic_name": ["t", "t"],
            "p_value": [1e-8, 0.004],
        }
    )


def lasso_path(seed: int = 5) -> pd.DataFrame:
    """Return a Lasso path with coefficients."""
    rng = np.random.default_rng(seed)
    lambdas = 0.2 * 10 ** -np.linspace(0, 2, 80)
    table = pd.DataFrame({"lambda": lambdas})
    names = [*MARKERS, *[f"other_{i}" for i in range(20)], "dom_missing"]
    enter = np.sort(rng.uniform(0, 2, len(names)))
    size = rng.normal(0, 0.8, len(names))
    t = -np.log10(lambdas / 0.2)
    coefficients = {
        name: b * np.clip(t - e, 0, None) / 2 for name, b, e in zip(names, size, enter, strict=True)
    }
    table["deviance"] = 1.17 - 0.25 * np.sin(np.clip(t, 0, 1.4) * 1.1) + 0.2 * np.clip(t - 1.2, 0, None) ** 2
    table["se"] = 0.03
    table["n_nonzero"] = [int(sum(t_ > e for e in enter)) for t_ in t]
    return table.assign(**coefficients)


def risk_path(seed: int = 6) -> pd.DataFrame:
    """Return deviance by step, two protocols, many folds in the nested one."""
    rng = np.random.default_rng(seed)
    step = np.arange(101)
    parts = []
    for fold in range(12):
        held = 1.18 - 0.22 * (1 - np.exp(-step / 20)) + 0.0012 * step + 0.05 * rng.normal()
        parts.append(
            pd.DataFrame(
                {
                    "protocol": "nested",
                    "series": "held out",
                    "fold": f"f{fold:03d}",
                    "step": step,
                    "deviance": held,
                    "mstop": int(np.argmin(held)) + int(rng.integers(-6, 7)),
                }
            )
        )
    training = 1.18 - 0.5 * (1 - np.exp(-step / 30))
    parts.append(
        pd.DataFrame(
            {
                "protocol": "published",
                "series": "training",
                "fold": "all",
                "step": step,
                "deviance": training,
                "mstop": 100,
            }
        )
    )
    return pd.concat(parts, ignore_index=True)


def predictions(seed: int = 7) -> pd.DataFrame:
    """Return call rows of both protocols and designs (two repeats of the second), and some frame rows."""
    rng = np.random.default_rng(seed)
    table = calls()
    parts = []
    for protocol, gap, noise in (("published", 3.6, 0.8), ("nested", 0.9, 1.0)):
        for design, repeats in (("loco", 1), ("grouped_kfold", 4 if protocol == "nested" else 0)):
            for repeat in range(repeats):
                y = table["outcome"].to_numpy()
                score = 1 / (1 + np.exp(-(gap * (y - 0.5) + rng.normal(0, noise, len(y)) - 0.7)))
                if protocol == "published":
                    score[np.flatnonzero(y == 1)[3]] = 0.31
                threshold = np.where(protocol == "published", 0.4612, 0.36 + rng.normal(0, 0.02, len(y)))
                p = np.clip(0.25 + 0.7 * (score - score.mean()), 0.02, 0.98)
                parts.append(
                    pd.DataFrame(
                        {
                            "protocol": protocol,
                            "model": "gamboost",
                            "target": "outcome",
                            "design": design,
                            "repeat": repeat,
                            "fold": [f"f{i % 48:03d}" for i in range(len(y))],
                            "unit": "call",
                            "call_id": table["call_id"],
                            "caller_id": table["caller_id"],
                            "segment": np.nan,
                            "frame": np.nan,
                            "time_s": np.nan,
                            "y": y,
                            "p_raw": score,
                            "p": p if protocol == "nested" else np.nan,
                            "threshold": threshold,
                            "weight": 1.0,
                            "sex": table["sex"],
                            "service": table["service"],
                        }
                    )
                )
    return pd.concat(parts, ignore_index=True)


PERCENTILE = "caller_bootstrap_percentile_given_scores"
BCA = "caller_bootstrap_bca_given_scores"
METRICS = (
    "auroc",
    "average_precision",
    "sensitivity",
    "specificity",
    "accuracy",
    "youden_j",
    "brier",
    "brier_skill",
)


def metrics() -> pd.DataFrame:
    """Return metrics.csv: both protocols and designs, all units, subgroups, two intervals an estimate.

    Under automatic direction the published AUROC of frames turns from 0.02 to 0.98.
    """
    rng = np.random.default_rng(8)
    honest = dict(zip(METRICS, (0.66, 0.45, 0.58, 0.67, 0.65, 0.25, 0.18, 0.05), strict=True))
    ns = {
        "frame": (352_332, 91_000),
        "frame_by_call": (352_332, 91_000),
        "call": (60, 15),
        "caller": (48, 12),
    }
    rows = []
    for protocol in ("published", "nested"):
        for design in ("loco", "grouped_kfold") if protocol == "nested" else ("loco",):
            for unit, (n, n_events) in ns.items():
                if unit == "frame" and design != "loco":
                    continue
                for subgroup in ("all", "sex=female", "sex=male", "service=On The Line", "service=000"):
                    if subgroup != "all" and unit != "call":
                        continue
                    for metric in METRICS:
                        if protocol == "published" and metric.startswith("brier"):
                            continue
                        best = 1.0 if protocol == "published" else honest[metric]
                        value = min(1.0, best - 0.02 + rng.normal(0, 0.01))
                        half = 0.02 if protocol == "published" else 0.12
                        if subgroup == "service=000" and metric in ("auroc", "specificity"):
                            value = np.nan
                        shown = {metric: value}
                        if protocol == "published" and metric == "auroc":
                            shown = {"auroc": 0.02 if unit == "frame" else value, "auroc_auto": value}
                        where = (protocol, "gamboost", "outcome", design, unit, "1", subgroup)
                        for name, estimate in shown.items():
                            for method, extra in ((PERCENTILE, 0.0), (BCA, 0.01)):
                                low, high = (
                                    max(0.0, estimate - half - extra),
                                    min(1.0, estimate + half - extra),
                                )
                                rows.append(
                                    (*where, name, 0.46, estimate, low, high, 0.95, method, n, n_events, 48)
                                )
    return pd.DataFrame(
        rows,
        columns=["protocol", "model", "target", "design", "unit", "class", "subgroup", "metric", "threshold",
                 "estimate", "lower", "upper", "level", "method", "n", "n_events", "n_callers"],
    )  # fmt: skip


def thresholds() -> pd.DataFrame:
    """Return thresholds.csv: one cut in the published protocol, one a fold in the nested one."""
    rng = np.random.default_rng(9)
    columns = [
        "protocol",
        "model",
        "target",
        "design",
        "repeat",
        "fold",
        "threshold",
        "method",
        "n_boot",
        "spread_sd",
        "q025",
        "q975",
        "slope",
        "intercept",
        "mstop",
        "n_selected",
    ]
    rows: list[tuple] = [
        (
            "published",
            "gamboost",
            "outcome",
            "loco",
            0,
            "all",
            0.4612,
            "bootstrap_youden",
            1000,
            0.05,
            0.38,
            0.55,
            np.nan,
            np.nan,
            100,
            11,
        )
    ]
    for fold in range(48):
        cut = 0.36 + rng.normal(0, 0.02)
        rows.append(
            (
                "nested",
                "gamboost",
                "outcome",
                "loco",
                0,
                f"f{fold:03d}",
                cut,
                "bootstrap_youden",
                1000,
                0.08,
                cut - 0.13 - 0.03 * rng.random(),
                cut + 0.15 + 0.03 * rng.random(),
                0.7,
                -0.1,
                40,
                9,
            )
        )
    return pd.DataFrame(rows, columns=columns)


def threshold_draws() -> pd.DataFrame:
    """Return single bootstrap cuts."""
    rng = np.random.default_rng(10)
    return pd.concat(
        [
            pd.DataFrame({"protocol": "published", "threshold": np.clip(rng.normal(0.46, 0.05, 1000), 0, 1)}),
            pd.DataFrame({"protocol": "nested", "threshold": np.clip(rng.normal(0.37, 0.09, 1000), 0, 1)}),
        ],
        ignore_index=True,
    )


def frames(seed: int = 11) -> pd.DataFrame:
    """Return frames with values missing more often in one class, and one marker that never misses."""
    rng = np.random.default_rng(seed)
    table = calls()
    rows = table.loc[np.repeat(table.index, 40), ["call_id", "caller_id", "sex", "outcome", "service"]]
    rows = rows.reset_index(drop=True)
    for position, marker in enumerate(MARKERS):
        values = rng.uniform(*RANGES[marker], len(rows))
        gone = rng.random(len(rows)) < (0.0 if position == 0 else 0.02 * position) * (1 + rows["outcome"])
        rows[marker] = np.where(gone, np.nan, values)
    return rows


def decision_curve() -> pd.DataFrame:
    """Return a decision curve in the validation room's form."""
    t = np.linspace(0.02, 0.9, 45)
    share = 0.25
    everybody = share - (1 - share) * t / (1 - t)
    model = np.maximum(0.21 - 0.3 * t, everybody) - 0.01
    parts = []
    for name, value in (("model", model), ("all", everybody), ("none", 0 * t), ("model_minus_best", model)):
        parts.append(
            pd.DataFrame(
                {
                    "protocol": "nested",
                    "threshold": t,
                    "strategy": name,
                    "net_benefit": value,
                    "lower": value - 0.04,
                    "upper": value + 0.04,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def ladder() -> pd.DataFrame:
    """Return an audit ladder."""
    names = [
        "honest nested protocol",
        "scaling and knots on all callers",
        "screening on all callers",
        "rows instead of callers in tuning",
        "threshold on the held-out scores",
        "frames as n",
        "caller effect from all data",
        "automatic direction",
    ]
    rows = []
    for rung, name in enumerate(names):
        for metric, start in (
            ("auroc", 0.55),
            ("average_precision", 0.3),
            ("accuracy", 0.62),
            ("brier", 0.2),
        ):
            value = min(1.0, start + 0.06 * rung) if metric != "brier" else 0.2 - 0.02 * rung
            rows.append((rung, name, metric, value, value - 0.08, min(1.0, value + 0.08), 0.5 + 0.05 * rung))
    return pd.DataFrame(rows, columns=["rung", "name", "metric", "estimate", "lower", "upper", "null_mean"])


def null_draws() -> pd.DataFrame:
    """Return permutation draws of both kinds."""
    rng = np.random.default_rng(12)
    kinds = (("among all callers", 0.49), ("within sex and service", 0.56))
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "kind": kind,
                    "metric": "auroc",
                    "value": np.clip(rng.normal(mean, 0.07, 199), 0, 1),
                    "observed": 0.66,
                }
            )
            for kind, mean in kinds
        ],
        ignore_index=True,
    )


def call_sound(seed: int = 13) -> tuple[np.ndarray, int]:
    """Return 12 s of pulses and noise at 8 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(12 * 8000) / 8000
    voice = np.sign(np.sin(2 * np.pi * (120 + 20 * np.sin(t)) * t)) * (np.sin(2 * np.pi * t / 3) > -0.2)
    return 0.3 * voice + 0.01 * rng.normal(size=len(t)), 8000


def call_spans() -> pd.DataFrame:
    """Return two spans, one with a hostile label."""
    return pd.DataFrame(
        {"start_s": [0.5, 6.2], "end_s": [4.8, 11.0], "label": ["flat $affect_1$", "<script>"]}
    )


def call_frames(seed: int = 14) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return tracks, contributions and scores of the call's frames."""
    rng = np.random.default_rng(seed)
    time = np.r_[np.arange(0.52, 4.78, 0.02), np.arange(6.22, 10.9, 0.02)]
    smooth = np.convolve(rng.normal(size=len(time)), np.ones(15) / 15, mode="same")
    tracks = pd.concat(
        [
            pd.DataFrame(
                {"marker": marker, "time_s": time, "value": np.mean(RANGES[marker]) * (1 + 0.2 * i * smooth)}
            )
            for i, marker in enumerate(MARKERS[:3], start=1)
        ],
        ignore_index=True,
    )
    terms = [*MARKERS[:8], "sex"]
    parts = [
        pd.DataFrame(
            {"term": term, "time_s": time, "value": rng.normal(0, 0.3) + 0.8 * rng.normal() * smooth}
        )
        for term in terms
    ]
    contributions = pd.concat(parts, ignore_index=True)
    link = contributions.groupby("time_s")["value"].sum().to_numpy()
    scores = pd.DataFrame({"time_s": time, "p_raw": 1 / (1 + np.exp(-link)), "threshold": 0.41})
    return tracks, contributions, scores


def wide_ladder() -> pd.DataFrame:
    """Return an audit ladder in the validation room's form."""
    long = ladder()
    wide = long.pivot(index="rung", columns="metric", values="estimate")
    names = long.drop_duplicates("rung")["name"].tolist()
    return pd.DataFrame(
        {
            "rung": [f"r{i}" for i in range(len(wide))],
            "label": [names[0], *[f"+ {name}" for name in names[1:]]],
            "unit": ["call"] * 5 + ["frame"] * 3,
            "auroc": wide["auroc"],
            "auroc_call": wide["auroc"] - 0.02,
            "average_precision": wide["average_precision"],
            "youden_j": wide["auroc"] - 0.4,
            "accuracy_frame": wide["accuracy"],
            "brier": wide["brier"],
            "calibration_slope": 1.2,
            "n_with_cut": len(wide),
            "n_without_cut": [2] + [0] * (len(wide) - 1),
            "null_mean_kfold": np.linspace(0.49, 0.98, len(wide)),
            "null_mean_call_kfold": np.linspace(0.48, 0.97, len(wide)),
            "leaked": ["", "knots"] + ["knots, screening"] * 6,
        }
    ).reset_index(drop=True)


def graded_predictions(n: int = 40, seed: int = 5) -> pd.DataFrame:
    """Predictions of a study of grades 0 to 3, one design and repeat."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, 4, n))
    score = y + rng.normal(size=n)
    above = {f"at_least_{k}": 1 / (1 + np.exp(-(score - k + 0.5))) for k in (1, 2, 3)}
    names = [f"c{i:02d}" for i in range(n)]
    rows = pd.DataFrame(
        {"design": "loco", "repeat": 0, "fold": range(n), "call_id": names, "caller_id": names}
    )
    return rows.assign(y=y, score=score, predicted=sum(above.values()), **above)
