"""All stages of a study of text: messages in; predictions, metrics, explanations, figures and tables out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from voicerisk.deep.chats.learning import Pretrained, final_split, learn, users_of
from voicerisk.deep.chats.notes import notes_of_repeats
from voicerisk.deep.chats.protocol import Shared, run_protocol
from voicerisk.deep.chats.study_file import TextStudy
from voicerisk.deep.extra import require_deep
from voicerisk.deep.networks.cache import CachedEncoder
from voicerisk.deep.results import read_results
from voicerisk.errors import TextError
from voicerisk.files import PRIVATE, sha256_file, write_json, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.progress import Reporter, Silent
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.stages import Move, Stages
from voicerisk.pipeline.study_file import as_json
from voicerisk.text.linear import session_vectors
from voicerisk.text.ready import read_embeddings, read_scores
from voicerisk.text.sessions import TextCohort, load_text_cohort
from voicerisk.text.splits import Split, repeated_splits

if TYPE_CHECKING:
    from voicerisk.deep.chats.explain import Subject

TITLES = {"tfidf": "TF-IDF", "linear": "Linear", "t_mlp": "T-MLP", "w2v_mlp": "W2V-MLP"}
# What a fit depends on; figures, explanations and settings of them do not change it.
FITTED_BY = (
    "network", "encoder", "pooling", "prefix", "embeddings", "vectors", "scores", "max_tokens", "max_words",
    "repeats", "seed", "test_share", "validation_share",
)  # fmt: skip
# What has no part in how sessions are read; the seed draws the intervals of the raters' agreement.
NOT_READ_BY = {
    *FITTED_BY, "explain", "models", "baseline", "prevalence", "bootstraps", "preset", "cache", "device",
} - {"seed"}  # fmt: skip


def titled(name: str) -> str:
    """Return a model's name in words; ready scores keep the name that the study file gave them."""
    return TITLES.get(name, name)


@dataclass(frozen=True, slots=True)
class TextResult:
    """Where the results of a study of text are, and its main tables.

    Attributes
    ----------
    folder : Path
    metrics : DataFrame
        `metrics.csv`.
    repeats : DataFrame
        `repeats.csv`.
    flow : DataFrame
        `flow.csv`.
    notes : tuple of str
        What every stage had to say.
    any_class : DataFrame
        `any_class.csv`: any class against the reference.
    """

    folder: Path
    metrics: pd.DataFrame
    repeats: pd.DataFrame
    flow: pd.DataFrame
    notes: tuple[str, ...]
    any_class: pd.DataFrame


def run_text_study(study: TextStudy, out: Path | str, reporter: Reporter | None = None) -> TextResult:
    """Run a study of text.

    Every finished stage and every finished repeat is kept in `out`, so that the same call goes on after an
    interruption; a changed table or setting runs again just what depends on it. The same inputs and seed give
    the same numbers.

    Parameters
    ----------
    study : TextStudy
        From `load_text_study`.
    out : Path or str
        Folder for the results; a new one, or one that holds this study.
    reporter : Reporter, optional
        Told what is going on; never a word of a message.

    Returns
    -------
    TextResult

    Raises
    ------
    VoiceriskError
        One sentence that says what was found, where, and what to do.
    """
    identity = _identity(study)
    _require_extra(study)
    folder = ResultsFolder(Path(out), identity)
    with folder.locked():
        run = _Run(study, folder, reporter or Silent())
        run.sessions()
        run.pretrain()
        for protocol in study.text.protocols:
            for name in study.text.models:
                run.protocol(protocol, name)
        for name in study.text.models if "nested" in study.text.protocols else ():
            run.final(name)
        run.metrics()
        run.explain()
        run.show()
        run.manifest()
        notes = [note for record in folder.records().values() for note in record["notes"]]
        metrics, repeats, flow, any_class = (
            read_results(folder.file(f"{name}.csv")) for name in ("metrics", "repeats", "flow", "any_class")
        )
        return TextResult(folder.path, metrics, repeats, flow, tuple(dict.fromkeys(notes)), any_class)


@contextmanager
def opened(
    study: TextStudy, out: Path, model: str, reporter: Reporter | None = None
) -> "Iterator[tuple[_Run, pd.DataFrame]]":
    """Open the results of a study that has run; yield it with the predictions of one model.

    What changed since, such as the code, is run again first.

    Parameters
    ----------
    study : TextStudy
    out : Path
    model : str
    reporter : Reporter, optional

    Raises
    ------
    TextError
        If `out` holds no results.
    """
    if not (out / "manifest.json").is_file():
        raise TextError(
            f"{out} holds no finished study of chats; run `voicerisk text run {study.path.name} --out "
            f"{out.name}` first."
        )
    _require_extra(study)
    folder = ResultsFolder(out, _identity(study))
    with folder.locked():
        run = _Run(study, folder, reporter or Silent())
        run.sessions()
        run.pretrain()
        protocol = study.text.protocols[-1]
        run.protocol(protocol, model)
        yield run, pd.read_parquet(folder.file(f".state/parts/{protocol}-{model}.parquet"))


def _identity(study: TextStudy) -> dict[str, str]:
    messages = study.folder / study.text.messages
    if not messages.is_file():
        raise TextError(f"There is no table of messages {messages} ([text] messages).")
    return {"study": fingerprint(place=str(study.path)), "calls": sha256_file(messages)}


def _require_extra(study: TextStudy) -> None:
    """Raise before anything is computed where what the study asks for is not installed."""
    if study.text.uses_encoder:
        require_deep("A pretrained encoder", "torch", "transformers", "safetensors")
        from voicerisk.deep.networks.encoders import device_of

        device_of(study.text.device)
    if {"t_mlp", "w2v_mlp"} & set(study.text.models):
        require_deep("A network", "torch", "safetensors")
    if study.text.explain.words and set(study.text.explain.models) - {"tfidf"}:
        require_deep("[text.explain] words", "shap")


class _Run:
    def __init__(self, study: TextStudy, folder: ResultsFolder, reporter: Reporter) -> None:
        self.study = study
        self.text = study.text
        self.folder = folder
        self.stages = Stages(folder, reporter)
        self.cohort: TextCohort = load_text_cohort(study.text, study.folder)
        self.splits: tuple[Split, ...] = repeated_splits(
            self.cohort.sessions, self.cohort.classes, self.text.repeats, self.text.test_share,
            self.text.validation_share, self.text.seed,
        )  # fmt: skip
        self.pretrained = Pretrained()
        self.files: dict[str, str] = {}

    @property
    def _embeddings(self) -> Path | None:
        return self.folder.state / "embeddings" if self.text.cache else None

    def _input(self, name: str) -> Path:
        return self.study.folder / Path(name).expanduser()

    # ---- messages -> sessions
    # ----------------------------------------------------------------------------------------

    def sessions(self) -> None:
        tables = [self.text.messages, self.text.sessions, self.text.ratings]
        self.files = {name: sha256_file(self._input(name)) for name in tables if name is not None}
        rules = {key: value for key, value in as_json(self.text).items() if key not in NOT_READ_BY}
        mark = fingerprint(files=self.files, rules=rules, code=code_of(_Run._sessions, load_text_cohort))
        self.stages.run("sessions", "Sessions", mark, self._sessions)

    def _sessions(self, move: Move) -> tuple[list[str], list[str]]:
        from voicerisk.deep.chats.session_tables import write_session_tables

        written, notes = write_session_tables(self.cohort, self.folder, self.text)
        move(1, 1)
        return written, notes

    # ---- encoders and vectors
    # ----------------------------------------------------------------------------------------

    def pretrain(self) -> None:
        encoder = vectors = None
        if self.text.uses_encoder:
            from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder

            assert self.text.encoder is not None
            settings = EncoderSettings(
                self._input(self.text.encoder),
                self.text.max_tokens,
                self.text.pooling,
                prefix=self.text.prefix,
                device=self.text.device,
            )
            encoder = CachedEncoder(TextEncoder(settings), self._embeddings)
            mark = fingerprint(
                sessions=self.stages.marks["sessions"],
                encoder=encoder.encoder.identity,
                code=code_of(_Run._embed, TextEncoder),
            )
            self.stages.run("embeddings", "Message embeddings", mark, lambda move: self._embed(encoder, move))
        if "w2v_mlp" in self.text.models:
            assert self.text.vectors is not None
            self.files["vectors"] = sha256_file(self._vector_file())
            vectors = self._read_vectors()
        self.pretrained = Pretrained(
            encoder, vectors, self.files.get("vectors", ""), self._session_vectors(encoder), self._scores()
        )

    def _session_vectors(self, encoder: CachedEncoder | None) -> np.ndarray | None:
        """Return a vector a session: of the table of embeddings, or the mean over its messages."""
        if "linear" not in self.text.models:
            return None
        if self.text.embeddings is None:
            assert encoder is not None
            return session_vectors(self.cohort.texts, encoder)
        path = self._table(self.text.embeddings, "embeddings")
        return read_embeddings(path, self.text.session, self._ids())

    def _scores(self) -> dict[str, np.ndarray]:
        return {
            name: read_scores(
                self._table(place, f"scores: {name}"), self.text.session, self._ids(), self.cohort.classes
            )
            for name, place in self.text.scores.items()
        }

    def _table(self, name: str, key: str) -> Path:
        path = self._input(name)
        if not path.is_file():
            raise TextError(f"There is no file {path} ([text] {key}).")
        self.files[name] = sha256_file(path)
        return path

    def _ids(self) -> list[str]:
        return list(self.cohort.sessions["session_id"])

    def _embed(self, encoder: Any, move: Move) -> tuple[list[str], list[str]]:
        texts = sorted({text for texts in self.cohort.texts for text in texts})
        encoder.embed(texts, move)
        cut = encoder.encoder.tokens(texts)[1]
        about = {"distinct_messages": len(texts), "dimension": encoder.dimension, "cut": cut}
        write_json(self.folder.file("embeddings.json"), about)
        said = f"{cut} of {len(texts)} distinct messages were cut to {self.text.max_tokens} tokens."
        return ["embeddings.json"], [said] if cut else []

    def _vector_file(self) -> Path:
        path = self._input(str(self.text.vectors))
        if not path.is_file():
            raise TextError(f"There is no file of word vectors {path} ([text] vectors).")
        return path

    def _read_vectors(self) -> Any:
        from voicerisk.deep.chats.models import tokens_of
        from voicerisk.text.vectors import read_vectors

        words = {word for texts in self.cohort.texts for word in tokens_of(texts)}
        return read_vectors(self._vector_file(), words)

    # ---- models
    # ----------------------------------------------------------------------------------------

    def protocol(self, protocol: str, name: str) -> None:
        stage = f"{protocol}-{name}"
        settings = as_json(self.text)
        mark = fingerprint(
            sessions=self.stages.marks["sessions"],
            settings={key: settings[key] for key in FITTED_BY},
            **self._given(name),
            code=code_of(_Run._protocol, load_text_cohort, repeated_splits, "deep.networks.encoders"),
        )
        title = f"{titled(name)}, {protocol}"
        self.stages.run(stage, title, mark, lambda move: self._protocol(protocol, name, mark, move))

    def _protocol(self, protocol: str, name: str, mark: str, move: Move) -> tuple[list[str], list[str]]:
        stage = f"{protocol}-{name}"
        models = self.folder.file(f"models/{protocol}/{name}")
        predictions, history, folds, facts = run_protocol(
            protocol, name, Shared(self.cohort, self.splits, self.text, self.pretrained),
            self.folder.checkpoints(stage, mark), models, move,
        )  # fmt: skip
        part = f".state/parts/{stage}"
        write_parquet(self.folder.file(f"{part}.parquet"), predictions)
        write_parquet(self.folder.file(f"{part}_history.parquet"), history)
        write_json(self.folder.file(f"{part}.json"), {"folds": folds, "facts": facts}, PRIVATE)
        self.folder.drop_checkpoints(stage)
        saved = sorted(path for path in models.rglob("*") if path.is_file())
        names = [path.relative_to(self.folder.path).as_posix() for path in saved]
        written = [f"{part}.parquet", f"{part}_history.parquet", f"{part}.json", *names]
        return written, notes_of_repeats(titled(name), protocol, facts, history, self.text.network.epochs)

    def _given(self, name: str) -> dict[str, str]:
        """Return hashes of what a model was given before it saw a session."""
        text = self.text
        own = {"tfidf": None, "linear": text.embeddings, "t_mlp": None, "w2v_mlp": "vectors"} | dict(
            text.scores
        )
        reads = name == "t_mlp" or (name == "linear" and text.embeddings is None)
        place = own[name]
        return {
            "encoder": self.pretrained.encoder_identity if reads else "",
            "table": "" if place is None else self.files[place],
        }

    def final(self, name: str) -> None:
        """Learn from all sessions, by the nested recipe, the model that leaves."""
        mark = fingerprint(
            nested=self.stages.marks[f"nested-{name}"], code=code_of(_Run._final, load_text_cohort)
        )
        self.stages.run(
            f"final-{name}", f"{titled(name)}, all sessions", mark, lambda move: self._final(name, move)
        )

    def _final(self, name: str, move: Move) -> tuple[list[str], list[str]]:
        split = final_split(self.cohort, self.text)
        learned = learn(name, "nested", self.cohort, split, self.text.repeats, self.text, self.pretrained)
        folder = self.folder.file(f"models/final/{name}")
        learned.save(folder)
        # Beside the model, not in it: who taught it stays in the house.
        write_json(folder / "provenance.json", {"seen": learned.seen, "facts": learned.facts}, PRIVATE)
        move(1, 1)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        n = len(set(users_of(self.cohort, split.train)))
        said = (
            f"{titled(name)}: models/final/{name} learned from all {len(split.train)} sessions of {n} users."
        )
        return [path.relative_to(self.folder.path).as_posix() for path in files], [said]

    def _parts(self, protocol: str) -> list[str]:
        return [f".state/parts/{protocol}-{name}" for name in self.text.models]

    # ---- metrics
    # ----------------------------------------------------------------------------------------

    def metrics(self) -> None:
        mark = fingerprint(
            parts={
                key: mark for key, mark in self.stages.marks.items() if key.startswith(self.text.protocols)
            },
            settings=[
                self.text.bootstraps,
                dict(self.text.prevalence),
                self.text.compared_with,
                self.text.seed,
                list(self.text.subgroups),
            ],
            code=code_of(_Run._metrics),
        )
        self.stages.run("metrics", "Metrics and intervals", mark, self._metrics)

    def _metrics(self, move: Move) -> tuple[list[str], list[str]]:
        from voicerisk.deep.chats.metric_tables import write_metric_tables

        parts = {protocol: self._parts(protocol) for protocol in self.text.protocols}
        users = sorted(set(self.cohort.sessions["user_id"]))
        written, notes = write_metric_tables(self.folder, self.text, parts, users)
        move(1, 1)
        return written, notes

    # ---- what a reader sees
    # ----------------------------------------------------------------------------------------

    def explain(self) -> None:
        for name in self.text.explain.models:
            mark = fingerprint(
                model=self.stages.marks[f"{self.text.protocols[-1]}-{name}"],
                settings=as_json(self.text.explain),
                code=code_of(_Run._explain, _Run.subject),
            )
            work = partial(self._explain, name)
            self.stages.run(f"explain-{name}", f"Explanations, {titled(name)}", mark, work)

    def _explain(self, name: str, move: Move) -> tuple[list[str], list[str]]:
        from voicerisk.deep.chats.explain import write_explanations

        written, notes = write_explanations(self.subject(name), self.explanations(), move)
        return [f"explanations/{file}" for file in written], notes

    def explanations(self) -> Path:
        """Return the folder of explanations, which is its owner's alone."""
        out = self.folder.file("explanations")
        out.mkdir(exist_ok=True)
        out.chmod(0o700)
        return out

    def subject(self, name: str) -> "Subject":
        """Return the models of all repeats of one model, with what they explain."""
        from voicerisk.deep.chats.explain import Subject
        from voicerisk.deep.chats.models import load_text_model

        given, settings = self.pretrained, self.text.explain
        encoder = given.encoder
        if encoder is not None:
            # Sessions with words left out are nobody's: their vectors are not kept.
            encoder = CachedEncoder(encoder.encoder, self._embeddings, write=False)
        place = self.folder.file(f"models/{self.text.protocols[-1]}/{name}")
        models = tuple(
            load_text_model(place / f"repeat_{k}", encoder, given.encoder_identity, given.vectors)
            for k in range(self.text.repeats)
        )
        token = encoder.encoder.mask_token if encoder is not None and settings.baseline == "mask" else None
        lexicons = self._input(settings.lexicons) if settings.lexicons else None
        return Subject(name, models, self.cohort, self.splits, settings, self.text.seed, token, lexicons)

    def show(self) -> None:
        from voicerisk.deep.chats.figures_and_tables import write_figures, write_tables

        mark = fingerprint(
            marks=self.stages.marks, seed=self.text.seed,
            code=code_of(write_figures, write_tables),
        )  # fmt: skip

        def work(move: Move) -> tuple[list[str], list[str]]:
            figures = write_figures(self.folder, self.text, self.cohort, move)
            tables, notes = write_tables(self.folder, self.text)
            return [*figures, *tables], notes

        self.stages.run("show", "Figures and tables", mark, work)

    def manifest(self) -> None:
        from voicerisk.deep.chats.manifest import write_text_manifest

        parts = {
            protocol: dict(zip(self.text.models, self._parts(protocol), strict=True))
            for protocol in self.text.protocols
        }
        write_text_manifest(self.study, self.folder, self.files, self.pretrained.encoder_identity, parts)
