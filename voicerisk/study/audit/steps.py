"""The refits of an audit, step by step: each finished step is a file, and the time is forecast."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table
from voicerisk.callers.shuffling import permutable
from voicerisk.errors import StudyError
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.pipeline.progress import Reporter
from voicerisk.study.audit.fits import AuditFits, by_segment
from voicerisk.study.audit.refits import ALL_CALLERS, Drawn, drawn_models, record_of
from voicerisk.study.audit.sizes import duration_text, inner_folds, pipeline_size
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.settings import Study, service_of
from voicerisk.validation import (
    FitSwitches,
    ValidationSettings,
    audit_ladder,
    full_procedure,
    kfold_auroc,
    kfold_rows,
    leave_pair_out,
    negative_controls,
    nested_cv_error,
    permutation_test,
)
from voicerisk.validation.audit.climb import ladder_size
from voicerisk.validation.audit.control_findings import control_findings
from voicerisk.validation.audit.controls import Alone, BesideMarkers
from voicerisk.validation.audit.findings import Finding
from voicerisk.validation.audit.ladder import ladder
from voicerisk.validation.audit.permutation import judge_permutations, strata_alone_auroc
from voicerisk.validation.audit.services_out import COLUMNS as SERVICES_OUT
from voicerisk.validation.audit.services_out import leave_services_out, service_findings
from voicerisk.validation.protocols.choice import BOOSTED
from voicerisk.validation.protocols.fold_plan import plan_folds
from voicerisk.validation.protocols.whole_procedure import Refit
from voicerisk.validation.resume import Resume

RANDOM_LABELS = 5
WARM_UP = 1


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How much an audit does.

    Attributes
    ----------
    frames_per_caller : int or None
        Thin to so many frames a caller; every table then says so. None = all frames.
    permutations : int
        Permutations of the outcome, among all callers on every rung and within strata; 0 = none.
    bootstraps : int
        Bootstraps of callers through the whole procedure: out-of-bag, .632+, optimism; 0 = none.
    pairs : int
        Pairs of callers left out together (leave-pair-out AUROC); 0 = none.
    splits : int
        Random splits of nested cross-validation for the standard error of the Brier score; 0 = none.
    """

    frames_per_caller: int | None = None
    permutations: int = 19
    bootstraps: int = 0
    pairs: int = 0
    splits: int = 0

    def __post_init__(self) -> None:
        if self.frames_per_caller is not None and self.frames_per_caller < 1:
            raise StudyError(f"The audit needs at least 1 frame a caller, not {self.frames_per_caller}.")
        for name in ("permutations", "bootstraps", "pairs", "splits"):
            if getattr(self, name) < 0:
                raise StudyError(f"The number of {name} is {getattr(self, name)}; it must be 0 or more.")


@dataclass(frozen=True, slots=True)
class Refitted:
    """Results of the refits."""

    ladder: pd.DataFrame
    permutations: pd.DataFrame
    scores: pd.DataFrame
    tests: pd.DataFrame
    controls: pd.DataFrame
    procedure: pd.DataFrame
    services: pd.DataFrame
    drawn: Drawn
    findings: tuple[Finding, ...]


class AuditSteps:
    """The refits of an audit, each step kept as a JSON file of its own."""

    def __init__(
        self,
        study: Study,
        tables: ModelTables,
        channel: pd.DataFrame,
        options: AuditOptions,
        place: Path,
        jobs: int,
        reporter: Reporter,
        others: Sequence[Alone] = (),
    ) -> None:
        self.others = others
        self.study, self.tables, self.channel = study, tables, channel
        self.options, self.place, self.reporter = options, place, reporter
        self.settings: ValidationSettings = study.validation
        strata = list(study.cohort.groups)
        self.calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *strata]]
        self.strata = strata
        self.fits = AuditFits(study, tables, place / "fits", jobs, self._tick)
        family = any(name != BOOSTED for name in self.settings.family)
        self.rungs = ladder(family=family)
        self._move: Callable[[int, int], None] = lambda done, total: None
        self._done, self._total = 0, 0

    # ---- steps that are kept

    def _tick(self) -> None:
        self._done += 1
        self._move(min(self._done, self._total), self._total)

    def _kept(self, step: str) -> dict[str, Any]:
        folder = self.place / step
        return {
            file.relative_to(folder).with_suffix("").as_posix(): _number(kept)
            for file in sorted(folder.rglob("*.json"))
            if (kept := kept_step(file)) is not None
        }

    def _keep(self, step: str, name: str, value: Any, forget: bool = True) -> None:
        keep_step(self.place / step / f"{name}.json", _text(value))
        if forget:
            self.fits.forget()

    def _staged(self, title: str, models: int, work: Callable[[], Any]) -> Any:
        with self.reporter.stage(title) as move:
            self._move, self._done, self._total = move, 0, max(models, 1)
            return work()

    # ---- how long

    def sizes(self) -> dict[str, int]:
        """Return the number of models of each step that has not been done yet; upper bounds."""
        ladder, permutation = ladder_size(
            self.calls, self.settings, "loco", self.options.permutations, self.rungs
        )
        one_pipeline = pipeline_size(self.calls, self.settings)
        services = self.calls[service_of(self.study)].nunique() if service_of(self.study) else 0
        folds = min(10, *(self.calls.loc[self.calls["y"] == v, "caller_id"].nunique() for v in (0, 1)))
        inner = inner_folds(self.calls, self.settings)
        controls = 3 + (services > 1) * (1 + services) + RANDOM_LABELS
        kept_ladder = self._kept("ladder")
        done = sum(name.startswith("permutation/") for name in kept_ladder)
        climbed = "automatic_direction" in kept_ladder
        left = max(0, (self.options.permutations + 1) * (self.options.permutations > 0) - done)
        within = max(0, self._within_strata() - len(self._kept("strata")))
        return {
            "ladder": 0 if climbed else ladder,
            "permutations": left * permutation,
            "permutations within strata": within * one_pipeline,
            "controls": 0 if "g" in self._kept("controls") else controls * one_pipeline,
            "whole procedure": max(0, self.options.bootstraps - len(self._kept("procedure"))) * (inner + 1),
            "services": max(0, services - len(self._kept("services"))) * (inner + 1) * (services > 1),
            "k-fold": one_pipeline if self.options.bootstraps and not self._kept("kfold") else 0,
            "pairs": self.options.pairs,
            "splits": self.options.splits * (folds + folds * (folds - 1) // 2),
        }

    def _within_strata(self) -> int:
        """Return how many permutations within strata there are to run: none where they change nothing."""
        return self.options.permutations if permutable(self.calls, self.strata).callers else 0

    def forecast(self) -> None:
        """Time a few models, which the ladder will find again, and say how long the rest will take."""
        sizes = self.sizes()
        total = sum(sizes.values())
        if not total:
            return
        if sizes["ladder"]:
            prior = self.settings.prior or float(self.calls["y"].mean())
            callers = caller_table(self.calls)
            folds, _ = plan_folds(callers, ("loco",), self.settings, "honest", prior, True)
            sets = [one for fold in folds[:2] for one in (*fold.inner, fold.outer)]
            timed = {}
            # The ladder's rungs but the first are gamboost; the other steps fit the honest procedure.
            for name, switches in (("ladder", self.rungs[1].fit), ("honest", FitSwitches())):
                fit = self.fits(switches, self.calls)
                for _ in fit(sets[:WARM_UP], None):
                    pass
                begun = time.monotonic()
                for _ in fit(sets[WARM_UP:], None):
                    pass
                timed[name] = (time.monotonic() - begun) / len(sets[WARM_UP:])
            keep_step(self.place / "seconds.json", timed)
        known = kept_step(self.place / "seconds.json")
        if known is None:
            return
        long = {
            name: n * float(known["ladder" if name in ("ladder", "permutations") else "honest"])
            for name, n in sizes.items()
            if n
        }
        parts = ", ".join(f"{name} {duration_text(seconds)}" for name, seconds in long.items())
        self.reporter.note(
            f"At most {total} models: about {duration_text(sum(long.values()))} ({parts}). "
            "Ctrl-C loses no finished step; --frames-per-caller makes it shorter."
        )

    # ---- the work

    def run(self) -> Refitted:
        """Do all steps, the finished ones from their files."""
        sizes = self.sizes()
        findings: list[Finding] = []
        audit = self._staged("Audit ladder", sizes["ladder"], lambda: self._ladder(0))
        if self.options.permutations:
            title = "Permutations, all callers"
            left = sizes["permutations"]
            audit = self._staged(title, left, lambda: self._ladder(self.options.permutations))
        findings += audit.findings
        tests, within = self._tests(audit.permutations, sizes["permutations within strata"])
        findings += _test_findings(tests)
        draws = pd.concat([audit.permutations.assign(scheme="all"), within], ignore_index=True)
        controls = self._staged("Negative controls", sizes["controls"], self._controls)
        findings += control_findings(controls)
        services = self._services(sizes["services"])
        findings += service_findings(services)
        procedure, of_bags = self._procedure(sizes, audit.table)
        return Refitted(
            audit.table, draws, audit.scores, tests, controls, procedure, services, of_bags, tuple(findings)
        )

    def _ladder(self, permutations: int) -> Any:
        def keep(name: str, record: Mapping[str, Any]) -> None:
            # Rungs share models, and permutations are fitted side by side, so that these stay for now.
            self._keep("ladder", name, record, forget=False)

        resume = Resume(self._kept("ladder"), keep, ahead=self.fits.ahead)
        found = audit_ladder(self.calls, self.fits, self.settings, "loco", permutations, self.rungs, resume)
        self.fits.forget()
        return found

    def _tests(self, permutations: pd.DataFrame, models: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return both permutation tests of the honest pipeline, and the draws of the one within strata."""
        columns = ["scheme", "unit", "design", "observed", "null_mean", "null_se", "p_value",
                   "n_permutations", "n_permutable_callers", "n_callers", "verdict", "strata_alone",
                   "says"]  # fmt: skip
        if not self.options.permutations:
            return pd.DataFrame(columns=columns), permutations.iloc[:0].assign(scheme="strata")
        honest = permutations[permutations["rung"] == "honest"].set_index("permutation")["auroc_kfold"]
        null = honest[honest.index > 0].to_numpy()
        among = judge_permutations("all", float(honest[0]), null, permutable(self.calls))
        kept = {int(name): float(value) for name, value in self._kept("strata").items()}
        resume = Resume(
            kept,
            keep=lambda b, value: self._keep("strata", f"{b:04d}", value, forget=False),
            ahead=lambda tables: self.fits.ahead([(FitSwitches(), *one) for one in tables]),
        )
        within = self._staged(
            "Permutations, within strata",
            models,
            lambda: permutation_test(
                self.calls,
                self.fits.honest,
                self.settings,
                self.options.permutations,
                self.strata,
                resume=resume,
                observed=among.observed,
            ),
        )
        self.fits.forget()
        alone = strata_alone_auroc(self.calls, self.strata, self.settings)
        rows = [
            (test.scheme, "call", "grouped_kfold", test.observed, test.null_mean, test.monte_carlo_se,
             test.p_value, len(test.null), test.permutable.callers, test.permutable.all_callers, test.verdict,
             alone, test.finding)
            for test in (among, within)
        ]  # fmt: skip
        draws = pd.DataFrame(
            {"rung": "honest", "unit": "call", "permutation": range(1, 1 + len(within.null)),
             "auroc_kfold": within.null, "auroc_call_kfold": within.null, "scheme": "strata"}
        )  # fmt: skip
        return pd.DataFrame(rows, columns=columns), draws

    def _controls(self) -> pd.DataFrame:
        service, moderator = service_of(self.study), self.study.cohort.moderator_column
        place = self.place / "fits" / "segments"
        of_segments = by_segment(self.tables)
        fits = AuditFits(self.study, of_segments, place, self.fits.jobs, self._tick)
        segments = of_segments.calls.rename(columns={"call_id": "segment_id", "of_call": "call_id"})
        segments = segments[["segment_id", *self.calls.columns]]
        beside = BesideMarkers(
            service, moderator, self._recording(), self._missing(), segments, fits.honest, self.others
        )
        resume = Resume(self._kept("controls"), lambda name, row: self._keep("controls", name, row))
        found = negative_controls(
            self.calls, self.fits.honest, self.settings, beside, RANDOM_LABELS, resume=resume
        )
        self.fits.forget()
        return found

    def _services(self, models: int) -> pd.DataFrame:
        """Leave one service out at a time, where the study has several."""
        service = service_of(self.study)
        if service is None or self.calls[service].nunique() < 2:
            return pd.DataFrame(columns=list(SERVICES_OUT))
        found = self._staged(
            "One service left out", models,
            lambda: leave_services_out(
                self.calls, self.fits.honest, self.settings, service,
                Resume(self._kept("services"), lambda name, record: self._keep("services", name, record)),
            ),
        )  # fmt: skip
        self.fits.forget()
        return found

    def _recording(self) -> pd.DataFrame | None:
        """Return what channel.csv tells apart in numbers, where the study has recordings."""
        if "sha256" not in self.channel:
            return None
        numbers = self.channel.select_dtypes("number")
        return self.channel[["call_id", *numbers.columns[numbers.nunique() > 1]]]

    def _missing(self) -> pd.DataFrame:
        """Return by call the share of frames in which each marker with gaps is missing."""
        frames = self.tables.frames
        gaps = [marker for marker in self.tables.markers if frames[marker].isna().any()]
        shares = frames[gaps].isna().groupby(frames["call_id"]).mean().add_suffix("_missing")
        return shares.reset_index()

    def _kfold(self) -> tuple[float, float, float]:
        if not self._kept("kfold"):
            found = kfold_auroc(self.calls, self.fits.honest(self.calls), self.settings)
            self._keep("kfold", "auroc", list(found))
        return tuple(self._kept("kfold")["auroc"])

    def _procedure(self, sizes: Mapping[str, int], ladder: pd.DataFrame) -> tuple[pd.DataFrame, Drawn]:
        """Bootstrap the whole procedure, leave pairs out, nest the cross-validation: what was asked for."""
        rows: list[tuple[str, float, float, float, str]] = []
        honest = ladder[ladder["rung"] == "honest"].iloc[0]
        rows.append(
            ("auroc_loco", float(honest["auroc_call"]), float(honest["lower"]), float(honest["upper"]),
             "caller bootstrap given these scores: without the variance of learning")
        )  # fmt: skip
        if self.options.bootstraps:
            kept = {int(k): (v[0], v[1]) for k, v in self._kept("procedure").items()}
            whole = self._staged(
                "Whole procedure, bootstrapped", sizes["whole procedure"],
                lambda: full_procedure(
                    self.calls, self.fits.honest, self.settings, self.options.bootstraps,
                    resume=Resume(kept, lambda b, value: self._keep("procedure", f"{b:05d}", list(value))),
                    keep_refit=self._keep_refit,
                ),
            )  # fmt: skip
            self.fits.forget()
            rows += kfold_rows(whole, self._staged("Grouped k-fold", sizes["k-fold"], self._kfold))
            used = f"{len(whole.out_of_bag)} bootstraps of callers, each with the whole procedure"
            if whole.skipped:
                used += f"; {whole.skipped} left out, with too few different callers of a class"
            rows += [
                ("auroc_apparent", whole.apparent, np.nan, np.nan, "on the callers it learned from"),
                ("auroc_out_of_bag", float(whole.out_of_bag.mean()), whole.lower, whole.upper, used),
                ("auroc_optimism", whole.optimism, np.nan, np.nan, used),
                ("auroc_optimism_corrected", whole.corrected, np.nan, np.nan, used),
                ("auroc_632", whole.estimate_632, np.nan, np.nan, used),
                ("auroc_632plus", whole.estimate_632plus, np.nan, np.nan, used),
            ]
        if self.options.pairs:
            pairs = self._staged(
                "Pairs of callers left out", sizes["pairs"],
                lambda: leave_pair_out(
                    self.calls, self.fits.honest(self.calls), self.settings, self.options.pairs,
                    self.study.boost.mstop,
                ),
            )  # fmt: skip
            self.fits.forget()
            rows.append(
                ("auroc_leave_pair_out", pairs.auroc, np.nan, np.nan,
                 f"{pairs.n_pairs} of {pairs.all_pairs} pairs at {self.study.boost.mstop} steps; Monte Carlo "
                 f"error {pairs.monte_carlo_se:.3f}")
            )  # fmt: skip
        if self.options.splits:
            error = self._staged(
                "Nested cross-validation", sizes["splits"],
                lambda: nested_cv_error(
                    self.calls, self.fits.honest(self.calls), self.settings,
                    repeats=self.options.splits, step=self.study.boost.mstop,
                ),
            )  # fmt: skip
            self.fits.forget()
            rows.append(
                ("brier_nested_cv", error.error, error.error - 1.96 * error.se, error.error + 1.96 * error.se,
                 f"{error.repeats} splits at {self.study.boost.mstop} steps, standard error {error.se:.4f} "
                 f"(naive {error.naive_se:.4f}); p_raw, callers alike")
            )  # fmt: skip
        drawn = self._drawn()
        unstable = drawn.instability
        if len(unstable):
            share = self._share()
            rows += [
                ("risk_instability_mape", float(unstable["mape"].mean()), np.nan, np.nan,
                 "mean absolute difference of a call's risk from that by the model of all callers"),
                ("decided_otherwise", float(unstable["decided_otherwise"].mean()), np.nan, np.nan,
                 f"mean share of these models that put a call on the other side of a risk of {share:.2f}"),
            ]  # fmt: skip
        return pd.DataFrame(rows, columns=["quantity", "estimate", "lower", "upper", "how"]), drawn

    def _keep_refit(self, bootstrap: int | None, found: Refit) -> None:
        name = ALL_CALLERS if bootstrap is None else f"{bootstrap:05d}"
        self._keep("risks", name, found.risk.tolist(), forget=False)
        record = record_of(found)
        if record is not None:
            self._keep("models", name, record, forget=False)

    def _share(self) -> float:
        return self.settings.prior or float(self.calls["y"].mean())

    def _drawn(self) -> Drawn:
        """Put together what the models of bootstrapped callers say, of as many as were asked for."""
        if not self.options.bootstraps:
            return Drawn.nothing()
        names = [name for name in self._kept("procedure") if int(name) < self.options.bootstraps]
        risks, models = self._kept("risks"), self._kept("models")
        asked = {name: risks[name] for name in (ALL_CALLERS, *names) if name in risks}
        return drawn_models(asked, models, self.calls, self.tables, self._share())


def _text(value: Any) -> Any:
    """Write what is not a number as null, as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_text(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _number(value: Any) -> Any:
    """Read null as what is not a number."""
    if isinstance(value, dict):
        return {key: _number(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_number(one) for one in value]
    return np.nan if value is None else value


def _test_findings(tests: pd.DataFrame) -> list[Finding]:
    """Say what permutations within strata found; those among all callers are a finding of the ladder."""
    stuck = [
        Finding(
            "strata_not_permutable", "note",
            "Whether voice adds to sex and the other strata cannot be tested.",
            row["says"],
            "Name fewer strata, or gather callers of both outcomes in each; report the AUROC of the strata "
            f"alone ({row['strata_alone']:.3f}) beside the pipeline's ({row['observed']:.3f}).",
        )
        for row in tests.to_dict("records")
        if row["verdict"] == "nothing to permute"
    ]  # fmt: skip
    return stuck + [
        Finding(
            "strata", "note", "Sex and the other strata alone predict the outcome to some degree.",
            f"{row['says']} A model of the strata alone reaches {row['strata_alone']:.3f}; the pipeline "
            f"{row['observed']:.3f}",
            "Report the gain over the strata, not the whole AUROC, as what voice adds.",
        )
        for row in tests.to_dict("records")
        if row["scheme"] == "strata" and row["verdict"] == "strata carry the outcome"
    ]  # fmt: skip
