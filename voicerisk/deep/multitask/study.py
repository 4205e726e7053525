"""All stages of a multitask study: cases in; experiments, results, figures, tables and a report out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.deep.extra import require_deep
from voicerisk.deep.multitask.cases import Cases, load_cases
from voicerisk.deep.multitask.comparisons import transfer_sentences
from voicerisk.deep.multitask.experiments import Run, fit_final, plan_runs, run_one
from voicerisk.deep.multitask.folds import make_folds
from voicerisk.deep.multitask.inputs import Features
from voicerisk.deep.multitask.model_file import save_model_file
from voicerisk.deep.multitask.scoring import input_settings
from voicerisk.deep.multitask.sound import Denoiser
from voicerisk.deep.multitask.study_file import MultitaskStudy
from voicerisk.deep.results import read_results
from voicerisk.errors import MultitaskError
from voicerisk.files import PRIVATE, sha256_file, write_csv, write_json, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.pipeline.progress import Reporter, Silent
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.stages import Move, Stages
from voicerisk.pipeline.study_file import as_json

# What an embedding depends on, and what a fit does.
EMBEDDED_BY = ("audio_encoders", "text_encoders", "biomarkers", "max_tokens", "pooling", "sound", "preset")
FITTED_BY = (
    "experiments", "inputs", "folds", "repeats", "validation_share", "seed", "network", "preset", "severity",
    "risk", "demographics",
)  # fmt: skip
PUBLISHED_WARNING = (
    "preset = paper: in the protocol 'published' training is stopped on the very fold that is then measured, "
    "because the paper leaves no other cases to stop on, and warm-up and dropout were chosen on the same "
    "folds. Its numbers are too good; they are there to be compared, not to be believed."
)
SMALL_CLASS = 30


@dataclass(frozen=True, slots=True, eq=False)
class MultitaskResult:
    """Where the results of a multitask study are, and its main tables.

    Parameters
    ----------
    folder : Path
    metrics : DataFrame
        `metrics.csv`.
    transfer : DataFrame
        `transfer.csv`: single- against multitask; empty where not both were run.
    sentences : tuple of str
        What it shows, in words.
    flow : DataFrame
        `flow.csv`.
    notes : tuple of str
    """

    folder: Path
    metrics: pd.DataFrame
    transfer: pd.DataFrame
    sentences: tuple[str, ...]
    flow: pd.DataFrame
    notes: tuple[str, ...]


def run_multitask(
    study: MultitaskStudy,
    out: Path | str,
    denoiser: Denoiser | None = None,
    reporter: Reporter | None = None,
) -> MultitaskResult:
    """Run a multitask study.

    Every finished stage, every embedded case and every finished experiment is kept in `out`, so that the
    same call goes on after an interruption; a changed input or setting runs again what depends on it. The
    same inputs and seed give the same numbers.

    Parameters
    ----------
    study : MultitaskStudy
        From `load_multitask_study`.
    out : Path or str
        Folder for the results; a new one, or one that holds this study.
    denoiser : callable, optional
        Takes samples and rate, returns as many samples. It must carry an attribute `version` (text), by which
        a changed one is noticed.
    reporter : Reporter, optional
        Told what is going on; never a word of a transcript.

    Returns
    -------
    MultitaskResult

    Raises
    ------
    VoiceriskError
        One sentence that says what was found, where, and what to do.

    Examples
    --------
    >>> run_multitask(load_multitask_study("study.toml"), "results")  # doctest: +SKIP
    """
    if denoiser is not None and not isinstance(getattr(denoiser, "version", None), str):
        raise MultitaskError(
            'A denoiser of your own needs an attribute version = "..." so that results can be resumed.'
        )
    require_deep("A multitask study", "torch", "transformers", "safetensors")
    cases = load_cases(study.settings, study.folder)
    table = study.folder / study.settings.cases
    identity = {"study": fingerprint(place=str(study.path)), "calls": sha256_file(table)}
    folder = ResultsFolder(Path(out), identity)
    with folder.locked():
        run = _Run(study, cases, folder, reporter or Silent(), denoiser)
        run.cases()
        run.experiments()
        run.results()
        run.show()
        run.manifest()
        return run.result()


class _Run:
    def __init__(
        self,
        study: MultitaskStudy,
        cases: Cases,
        folder: ResultsFolder,
        reporter: Reporter,
        denoiser: Denoiser | None,
    ) -> None:
        self.study, self.settings, self.loaded, self.folder = study, study.settings, cases, folder
        self.denoiser = denoiser
        self.reporter = reporter
        self.stages = Stages(folder, reporter)
        self.classes = {name: target.classes for name, target in self.settings.targets.items()}
        self._features: Features | None = None

    # ---- cases
    # ----------------------------------------------------------------------------------------

    def cases(self) -> None:
        """Write who is analysed and who left, and test the demographics."""
        shown = self.loaded.table.drop(columns=["audio", "transcript"])
        mark = fingerprint(
            cases=shown.to_csv(), flow=self.loaded.flow.to_csv(), classes=self.classes,
            settings=as_json(self.settings.demographics), seed=self.settings.seed,
            code=code_of(_Run.cases, load_cases),
        )  # fmt: skip

        def work(move: Move) -> tuple[list[str], list[str]]:
            from voicerisk.deep.multitask.characteristics import compare_groups

            write_csv(self.folder.file("cases.csv"), shown, PRIVATE, exact=True)
            write_csv(self.folder.file("flow.csv"), self.loaded.flow)
            groups = [
                compare_groups(shown, task, names, self.settings.demographics, self.settings.seed)
                for task, names in self.classes.items()
            ]
            write_csv(self.folder.file("demographics.csv"), pd.concat(groups, ignore_index=True))
            return ["cases.csv", "flow.csv", "demographics.csv"], [*self.loaded.notes, *self._small()]

        self.stages.run("cases", "Cases", mark, work)

    def _small(self) -> list[str]:
        out = []
        for task, names in self.classes.items():
            n = self.loaded.table[task].value_counts().reindex(names, fill_value=0)
            if n.min() < SMALL_CLASS:
                out.append(
                    f"Class {n.idxmin()} of {task} has {n.min()} cases: about "
                    f"{n.min() / self.settings.folds:.1f} a fold, so that its numbers are unstable."
                )
        return out

    # ---- embeddings and experiments
    # ----------------------------------------------------------------------------------------

    def _inputs_mark(self) -> str:
        from voicerisk.deep.networks.encoders import folder_identity

        settings = self.settings
        places = {**settings.audio_encoders, **settings.text_encoders}
        models = {name: folder_identity(self.study.folder / place) for name, place in places.items()}
        files = {file: sha256_file(Path(file)) for file in self.loaded.table["audio"] if file}
        own = self.denoiser
        return fingerprint(
            models=models,
            sounds=sorted(files.values()),
            cases=self.loaded.table[["case_id", "transcript"]].to_csv(),
            of_case={row: files.get(file, "") for row, file in enumerate(self.loaded.table["audio"])},
            settings={key: as_json(getattr(settings, key)) for key in EMBEDDED_BY},
            denoiser=None if own is None else getattr(own, "version", ""),
            code=code_of(_Run._embed),
        )

    def _embed(self) -> Features:
        if self._features is not None:
            return self._features
        from voicerisk.deep.multitask.embeddings import embed_cases

        cache = self.folder.state / "embeddings" if self.settings.cache else None
        title = {"text": "Reading", "audio": "Hearing"}

        def progress(symbol: str) -> Any:
            label = self.settings.labels.get(symbol, symbol)
            kind = title[self.settings.modalities[symbol]]

            def move(done: int, total: int) -> None:
                self._move(done, total)
                if done == total:
                    self.reporter.note(f"{kind} by {label}: {total} done")

            return move

        self._features, self._embedding_notes = embed_cases(
            self.loaded.table, self.settings, self.study.folder, cache, self.denoiser, progress
        )
        return self._features

    def experiments(self) -> None:
        """Embed the cases, train every model in every fold, and write what they say of the cases held out."""
        settings = self.settings
        mark = fingerprint(
            inputs=self._inputs_mark(),
            cases=self.loaded.table.drop(columns=["audio", "transcript"]).to_csv(),
            settings={key: as_json(getattr(settings, key)) for key in FITTED_BY},
            code=code_of(_Run._experiments),
        )
        self.stages.run("experiments", "Experiments", mark, lambda move: self._experiments(move, mark))

    def _experiments(self, move: Move, mark: str) -> tuple[list[str], list[str]]:
        from voicerisk.deep.multitask.baselines import demographics_only, majority
        from voicerisk.validation import check_predictions

        settings, table = self.settings, self.loaded.table
        self._move, self._embedding_notes = move, list[str]()
        place = self.folder.checkpoints("experiments", mark)
        runs = plan_runs(settings.protocols, settings.experiments, settings.combinations)
        predictions: dict[str, list[pd.DataFrame]] = {task: [] for task in self.classes}
        hidden: dict[str, list[pd.DataFrame]] = {task: [] for task in self.classes}
        histories, provenance = [], []
        for number, run in enumerate(runs):
            kept = self._kept(place, run) or self._train(place, run)
            for task in run.tasks:
                predictions[task].append(kept[f"predictions-{task}"])
                if f"hidden-{task}" in kept:
                    hidden[task].append(kept[f"hidden-{task}"])
            histories.append(kept["history"])
            provenance.append(kept["provenance"])
            move(number + 1, len(runs))
        for protocol in settings.protocols:
            folds = self._folds(protocol)
            for task in self.classes:
                predictions[task].append(majority(protocol, task, table, self.classes, folds))
                if settings.demographics:
                    columns = settings.demographics
                    predictions[task].append(
                        demographics_only(protocol, task, table, columns, self.classes, folds)
                    )
        outputs = ["history.csv", "provenance.json"]
        outputs += [_model_name(run) for run in runs if run.protocol == "nested"]
        for task in self.classes:
            for name, parts in (("predictions", predictions[task]), ("missing_modality", hidden[task])):
                if parts:
                    joined = pd.concat(parts, ignore_index=True)
                    check_predictions(joined)
                    write_parquet(self.folder.file(f"{name}_{task}.parquet"), joined)
                    outputs.append(f"{name}_{task}.parquet")
        write_csv(self.folder.file("history.csv"), pd.concat(histories, ignore_index=True))
        rows = pd.concat(provenance, ignore_index=True).to_dict("records")
        write_json(self.folder.file("provenance.json"), [_unpacked(row) for row in rows], PRIVATE)
        self.folder.drop_checkpoints("experiments")
        return outputs, self._embedding_notes

    def _folds(self, protocol: str) -> Any:
        settings = self.settings
        return make_folds(
            self.loaded.table, self.classes, settings.folds, settings.repeats, settings.validation_share,
            settings.seed, protocol == "published",
        )  # fmt: skip

    def _train(self, place: Path, run: Run) -> dict[str, pd.DataFrame]:
        settings = self.settings
        found = run_one(
            run, self.loaded.table, self._embed(), self.classes, self._folds(run.protocol), settings.network,
            settings.seed,
        )  # fmt: skip
        saw = pd.DataFrame([{**row, "saw": _packed(row["saw"])} for row in found.provenance])
        tables = {f"predictions-{task}": one for task, one in found.predictions.items()}
        tables |= {f"hidden-{task}": one for task, one in found.hidden.items()}
        tables |= {"history": found.history, "provenance": saw}
        files = {name: place / f"{run.key}.{name}.parquet" for name in sorted(tables)}
        for name, file in files.items():
            write_parquet(file, tables[name])
        if run.protocol == "nested":
            final = fit_final(
                run, self.loaded.table, self._embed(), self.classes, settings.validation_share,
                settings.network, settings.seed, settings.repeats,
            )  # fmt: skip
            seen = input_settings(settings, self.study.folder, run.combination)
            save_model_file(final, self.folder.file(_model_name(run)), seen)
        # Without it a run was cut short and is trained again.
        keep_step(place / f"{run.key}.json", list(files), *files.values())
        return tables

    def _kept(self, place: Path, run: Run) -> dict[str, pd.DataFrame] | None:
        names = kept_step(place / f"{run.key}.json")
        if names is None:
            return None
        return {name: pd.read_parquet(place / f"{run.key}.{name}.parquet") for name in names}

    # ---- results
    # ----------------------------------------------------------------------------------------

    def _tables(self, name: str) -> Mapping[str, pd.DataFrame]:
        files = {task: self.folder.file(f"{name}_{task}.parquet") for task in self.classes}
        return {task: pd.read_parquet(file) for task, file in files.items() if file.is_file()}

    def results(self) -> None:
        """Measure and compare."""
        voice = self.settings.voice_scores
        file = None if voice is None else self.study.folder / voice
        mark = fingerprint(
            experiments=self.stages.marks["experiments"], bootstraps=self.settings.bootstraps,
            voice=None if file is None or not file.is_file() else sha256_file(file),
            voice_asked=[voice, self.settings.voice_protocol], code=code_of(_Run._results),
        )  # fmt: skip
        self.stages.run("results", "Results", mark, lambda move: self._results(move, file))

    def _results(self, move: Move, voice_file: Path | None) -> tuple[list[str], list[str]]:
        from voicerisk.deep.multitask import results
        from voicerisk.deep.multitask.fusion import late_fusion, read_voice_scores

        n_boot, seed = self.settings.bootstraps, self.settings.seed
        predictions, hidden = self._tables("predictions"), self._tables("missing_modality")
        metrics = results.measure_all(predictions, n_boot, seed, move)
        moved = results.transfer(predictions, self.settings.combinations, n_boot, seed)
        found = {
            "metrics": metrics,
            "fold_means": pd.concat([results.fold_means(one) for one in predictions.values()]),
            "transfer": moved,
            "modalities": results.ablation(predictions, hidden, n_boot, seed),
            "against_demographics": results.against_demographics(predictions, n_boot, seed),
        }
        notes = list(transfer_sentences(moved)) if len(moved) else []
        if voice_file is not None:
            voice = read_voice_scores(voice_file, self.settings.voice_protocol)
            found["fusion"], said = late_fusion(predictions["risk"], voice, n_boot, seed)
            notes += said
        written = []
        for name, table in found.items():
            self.folder.file(f"{name}.csv").unlink(missing_ok=True)
            if len(table):
                write_csv(self.folder.file(f"{name}.csv"), table)
                written.append(f"{name}.csv")
        return written, notes

    def show(self) -> None:
        """Draw figures, write tables and the report."""
        mark = fingerprint(
            results=self.stages.marks["results"], cases=self.stages.marks["cases"],
            labels=as_json(self.settings.labels), code=code_of(_Run.show),
        )  # fmt: skip

        def work(move: Move) -> tuple[list[str], list[str]]:
            from voicerisk.deep.multitask.report import write_report

            return write_report(self.study, self.folder, self.classes, self.warnings()), []

        self.stages.run("show", "Figures, tables, report", mark, work)

    def warnings(self) -> list[str]:
        """Return what a reader must know first."""
        return [PUBLISHED_WARNING] if "published" in self.settings.protocols else []

    def manifest(self) -> None:
        """Write `manifest.json`: what was read, how, with which versions, and how long it took."""
        from voicerisk.deep.manifest import write_manifest

        table = self.study.folder / self.settings.cases
        settings = as_json(self.settings)
        # Where encoders lie is nobody's business; which they are is in the models of models/final.
        for kind in ("audio_encoders", "text_encoders"):
            settings[kind] = {symbol: Path(place).name for symbol, place in settings[kind].items()}
        write_manifest(
            self.folder,
            "multitask",
            (self.study.path.name, self.study.digest),
            {table.name: sha256_file(table)},
            {"multitask": settings},
            seed=self.settings.seed,
            protocols=list(self.settings.protocols),
        )

    def result(self) -> MultitaskResult:
        """Gather what was written."""
        notes = [note for record in self.folder.records().values() for note in record["notes"]]
        moved = self.folder.file("transfer.csv")
        transfer = read_results(moved) if moved.is_file() else pd.DataFrame()
        return MultitaskResult(
            self.folder.path,
            read_results(self.folder.file("metrics.csv")),
            transfer,
            tuple(transfer_sentences(transfer)) if len(transfer) else (),
            read_results(self.folder.file("flow.csv")),
            tuple(dict.fromkeys([*self.warnings(), *notes])),
        )


def _model_name(run: Run) -> str:
    """Return where the model that leaves lies in the results folder."""
    return f"models/final/{run.experiment}-{run.combination.replace('+', '_')}.safetensors"


def _packed(saw: Mapping[str, Any]) -> str:
    import json

    return json.dumps(saw, sort_keys=True)


def _unpacked(row: Mapping[Any, Any]) -> dict[str, Any]:
    import json

    plain_row = {
        str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()
    }
    return {**plain_row, "saw": json.loads(row["saw"])}
