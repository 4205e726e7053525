"""The `[text]` table of a study file: messages, protocol, networks, explanations.

Every number that the paper (Thomas et al. 2025, JMIR Public Health Surveill 11:e63809) does not give is our
choice and stands in `NetworkSettings` or `TextSettings` with the words "paper: not given".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicerisk.errors import TextError
from voicerisk.pipeline.setting import require_choice, require_choices, require_whole

MODELS = ("tfidf", "t_mlp", "w2v_mlp", "linear")
POOLINGS = ("mean", "first", "last")
DEVICES = ("cpu", "gpu", "auto")
PRESETS = ("default", "paper", "both")
ENDS = ("head", "tail", "ends")
BASELINES = ("drop", "background", "mask")
CLASSES = ("NS", "SI", "ASE")
AGE_BAND = "age_band"
# What the predictions table itself holds.
TAKEN = (
    "protocol", "model", "target", "design", "repeat", "fold", "unit", "call_id", "caller_id", "segment",
    "frame", "time_s", "y", "p_raw", "p", "threshold", "weight", "session_id", "user_id", "label", "unmapped",
    "n_messages", "n_words", "messages_cut", "complete",
)  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Sizes and training of both networks: `[text.network]`.

    The paper gives at most 100 epochs, a patience of 5, one LSTM and one dropout a network, and 3 outputs;
    its
    table of parameters is in an appendix that was not available. All sizes here are ours.

    Parameters
    ----------
    dense : int
        T-MLP: units of the dense layer applied to each message (paper: not given).
    lstm : int
        Units of the LSTM (paper: not given).
    dropout : float
        After the dense layer or the pooling, and before the last layer (paper: not given).
    hidden : int
        Units of the last hidden layer (paper: not given).
    filters, kernel, pool : int
        W2V-MLP: filters and width of the convolution over words, words a maximum (paper: not given).
    learning_rate, batch, weight_decay, gradient_clip : float, int, float, float
        Adam (paper: not given).
    epochs, patience : int
        As in the paper.

    Examples
    --------
    >>> NetworkSettings(epochs=20).patience
    5
    """

    dense: int = 128
    lstm: int = 64
    dropout: float = 0.3
    hidden: int = 64
    filters: int = 128
    kernel: int = 5
    pool: int = 2
    learning_rate: float = 1e-3
    batch: int = 32
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    epochs: int = 100
    patience: int = 5

    def __post_init__(self) -> None:
        for name in ("dense", "lstm", "hidden", "filters", "kernel", "pool", "batch", "epochs", "patience"):
            require_whole(f"[text] network.{name}", getattr(self, name), TextError, 1)
        if not 0.0 <= self.dropout < 1.0:
            raise TextError(f"[text.network] dropout must be in [0, 1), not {self.dropout!r}.")
        if self.kernel % 2 == 0:
            raise TextError(f"[text.network] kernel must be odd, not {self.kernel!r}.")


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """What is explained: `[text.explain]`.

    Parameters
    ----------
    models : tuple of str
        Which models to explain; () = none.
    sessions : int
        Held-out sessions of each class whose messages are explained, those of highest risk for it first.
    permutations : int
        Random orders of the messages, in pairs of an order and its reverse; sessions of up to 10 messages are
        computed exactly instead.
    baseline : {'drop', 'background', 'mask'}
        What stands in a hidden message's place: nothing, a training message of the reference class, or the
        encoder's mask token (the paper's way; a session of masks is unlike any session).
    words : int
        Held-out sessions whose words are explained through shap, for the table of words; 0 = none.
    word_evaluations : int
        Evaluations of the model a session.
    min_sessions : int
        A word that fewer sessions use is not shown in the table of words.
    show_text : bool
        Write the messages themselves into the explanations (private files); else messages are numbered.
    lexicons : str or None
        CSV with the columns category and word, of the study's own: importance is summed by category.

    Examples
    --------
    >>> ExplainSettings(models=("tfidf",)).permutations
    200
    """

    models: tuple[str, ...] = ()
    sessions: int = 2
    permutations: int = 200
    baseline: str = "drop"
    words: int = 0
    word_evaluations: int = 300
    min_sessions: int = 5
    show_text: bool = False
    lexicons: str | None = None

    def __post_init__(self) -> None:
        require_choices("[text] explain.models", self.models, MODELS, TextError, least=0)
        require_choice("[text] explain.baseline", self.baseline, BASELINES, TextError)
        for name, least in (("sessions", 1), ("permutations", 2), ("words", 0), ("word_evaluations", 10)):
            require_whole(f"[text] explain.{name}", getattr(self, name), TextError, least)
        require_whole("[text] explain.min_sessions", self.min_sessions, TextError, 2)
        if self.permutations % 2:
            raise TextError(f"[text.explain] permutations must be even, not {self.permutations}.")


@dataclass(frozen=True, slots=True)
class TextSettings:
    """`[text]` of a study file.

    Parameters
    ----------
    messages : str
        Table of messages: CSV, JSON lines or Parquet; or sessions as JSON lines with a list `messages`.
    sessions : str or None
        Table with one row a session: its label, or the items of the C-SSRS, and age, user, complete.
    ratings : str or None
        Table session, rater, label of independent raters: the label is the class that more than half gave.
    session, user, time, text, role, age, label, complete : str
        Names of the columns. Only session and text must be there; `complete` is false for a session that
        ended too early.
    time_format : str or None
        How times are written, in the signs of strftime ("%d.%m.%Y %H:%M"); default: ISO 8601 or numbers.
    roles : tuple of str
        Whose messages are read; () = everybody's.
    classes : tuple of str
        From least to most severe; the first is the reference.
    labels : mapping of str to str
        Value of the label column to class; others are counted out.
    subgroups : tuple of str
        Columns of the sessions or messages (gender, language, service, and the age, in bands) whose values
        get metrics of their own.
    min_age : int or None
        Sessions of younger users, or without an age, are left out where there is an age column (paper: 14).
    min_messages, min_words : int
        Shorter sessions are left out (paper: "too brief", no number given).
    keep_emoji : bool
        The paper's cleaning removes them.
    max_messages, max_tokens, max_words : int
        A session is cut to so many messages, a message to so many tokens of the encoder, and for the W2V-MLP
        a session to so many words (paper: "for technical reasons", no number given). What is cut is counted.
    truncate : {'ends', 'head', 'tail'}
        Which messages of a long session stay (paper: not given): the first half of `max_messages` and the
        last, the first ones, or the last ones.
    models : tuple of {'tfidf', 'linear', 't_mlp', 'w2v_mlp'}
        () = TF-IDF, and the linear model where there are an encoder or embeddings. `linear` is a ridge
        logistic model on the mean of the messages' frozen embeddings; the last two are the paper's networks.
    encoder : str or None
        Local folder of the pretrained model for `linear` and T-MLP (paper: XLM-RoBERTa-base, kept frozen
        here).
    pooling : {'mean', 'first', 'last'}
        How a message's tokens become one vector (paper: not given): their mean, the first or the last token.
    prefix : str
        Written before every message that the encoder reads, as some ask for (E5: "query: ").
    embeddings : str or None
        Table of ready embeddings for `linear`, of any model: the session's id and columns of numbers; several
        rows of a session are averaged.
    scores : mapping of str to str
        Name of a model to a table of its scores of every session, one column a class. Such a model learns
        nothing here: its scores are recalibrated and measured beside the others.
    vectors : str or None
        Word vectors in fastText's text format (.vec) for W2V-MLP (paper: German, 300 numbers).
    cache : bool
        Keep message embeddings on disk, in the results folder.
    device : {'cpu', 'gpu', 'auto'}
        Where the encoder reads messages; 'auto' takes a GPU where there is one. Networks on top are small and
        are trained on the CPU, so that the same seed gives the same bits.
    preset : {'default', 'paper', 'both'}
        'paper' repeats what was published: training stopped on a test part that is itself oversampled, the
        best of the repeats shown. Every result then carries a warning.
    repeats : int
        Random splits (paper: 5).
    test_share, validation_share : float
        Of the users, and of the users that remain (paper: 0.25; none).
    baseline : str or None
        Model that the Brier skill score compares with; None = 'tfidf' where it is run, else the last model.
    prevalence : mapping of class to float
        Shares of the classes where the model is to be used; decision curves and Table 1 are given there too.
    bootstraps : int
        Resamples of users (paper: 1000, of test rows).
    seed : int
    network, explain
        `[text.network]`, `[text.explain]`.

    Examples
    --------
    >>> TextSettings(messages="messages.csv", models=("tfidf",)).max_words
    2000
    """

    messages: str
    sessions: str | None = None
    ratings: str | None = None
    session: str = "session_id"
    user: str = "user_id"
    time: str = "time"
    text: str = "text"
    role: str = "role"
    age: str = "age"
    label: str = "label"
    complete: str = "complete"
    time_format: str | None = None
    roles: tuple[str, ...] = ()
    classes: tuple[str, ...] = CLASSES
    labels: Mapping[str, str] = field(default_factory=dict)
    subgroups: tuple[str, ...] = ()
    min_age: int | None = 14
    min_messages: int = 1
    min_words: int = 1
    keep_emoji: bool = False
    max_messages: int = 256
    max_tokens: int = 64
    max_words: int = 2000
    truncate: str = "ends"
    models: tuple[str, ...] = ()
    encoder: str | None = None
    pooling: str = "mean"
    prefix: str = ""
    embeddings: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    vectors: str | None = None
    cache: bool = True
    device: str = "cpu"
    preset: str = "default"
    repeats: int = 5
    test_share: float = 0.25
    validation_share: float = 0.15
    baseline: str | None = None
    prevalence: Mapping[str, float] = field(default_factory=dict)
    bootstraps: int = 1000
    seed: int = 1
    network: NetworkSettings = field(default_factory=NetworkSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)

    def __post_init__(self) -> None:
        self._resolve_models()
        require_choice("[text] preset", self.preset, PRESETS, TextError)
        require_choice("[text] truncate", self.truncate, ENDS, TextError)
        require_choice("[text] pooling", self.pooling, POOLINGS, TextError)
        require_choice("[text] device", self.device, DEVICES, TextError)
        for name in ("session", "user", "time", "role", "age", "label", "complete", "subgroups"):
            if self.text in (own := getattr(self, name), *(own if name == "subgroups" else ())):
                raise TextError(
                    f"[text] {name} names the column of the messages ({self.text}); what somebody wrote is "
                    f"no {name.removesuffix('s')}."
                )
        for name, least in (
            ("min_messages", 1), ("min_words", 1), ("max_messages", 1), ("max_tokens", 4), ("max_words", 8),
            ("repeats", 1), ("bootstraps", 100), ("seed", 0),
        ):  # fmt: skip
            require_whole(f"[text] {name}", getattr(self, name), TextError, least)
        for name in ("test_share", "validation_share"):
            if not 0.0 < getattr(self, name) < 0.6:
                raise TextError(f"[text] {name} must lie between 0 and 0.6, not {getattr(self, name)!r}.")
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise TextError(f"[text] classes must name at least two different classes, not {self.classes!r}.")
        for name in self.subgroup_columns:
            if name in TAKEN or name.startswith("p_") or self.subgroup_columns.count(name) > 1:
                raise TextError(
                    f"[text] subgroups: {name} is named twice, or is a column of the results itself."
                )
        odd = [name for name in self.labels.values() if name not in self.classes]
        if odd:
            raise TextError(
                f"[text] labels maps to {odd[0]!r}, which is not one of {', '.join(self.classes)}."
            )
        if "t_mlp" in self.models and self.encoder is None:
            raise TextError('[text] models has t_mlp, which needs encoder = "folder of a pretrained model".')
        if "w2v_mlp" in self.models and self.vectors is None:
            raise TextError('[text] models has w2v_mlp, which needs vectors = "file of word vectors (.vec)".')
        if "linear" in self.models and self.encoder is None and self.embeddings is None:
            raise TextError(
                '[text] models has linear, which needs encoder = "folder of a pretrained model" or '
                'embeddings = "table of embeddings".'
            )
        if "linear" in self.explain.models and self.embeddings is not None:
            raise TextError(
                "[text] linear cannot be explained with ready embeddings: a part of a session has none."
            )
        for asked in (self.baseline, *self.explain.models):
            if asked is not None and asked not in self.models:
                raise TextError(f"[text] {asked!r} is asked for but models does not run it.")
        if self.explain.baseline == "mask" and not set(self.explain.models) <= {"t_mlp", "linear"}:
            raise TextError('[text.explain] baseline = "mask" needs an encoder; it is for t_mlp and linear.')
        if self.prevalence:
            shares = [float(self.prevalence.get(name, 0.0)) for name in self.classes]
            if set(self.prevalence) != set(self.classes) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
                raise TextError("[text] prevalence must give every class a share above 0, together 1.")

    def _resolve_models(self) -> None:
        """Name the models that run by default, and those that come as scores."""
        for name in self.scores:
            if name in MODELS or not NAME.fullmatch(name):
                raise TextError(
                    "[text] scores: a model's name is made of small letters, digits and _, begins with a "
                    f"letter, and is none of {', '.join(MODELS)}."
                )
        own = tuple(name for name in self.models if name not in self.scores)
        if not own:
            own = ("tfidf", "linear") if self.encoder or self.embeddings else ("tfidf",)
        require_choices("[text] models", own, MODELS, TextError)
        # Frozen, and yet what is not said must be told by the others.
        object.__setattr__(self, "models", (*own, *self.scores))

    @property
    def subgroup_columns(self) -> tuple[str, ...]:
        """Names of the subgroups in the tables of results: ages stand there in bands."""
        return tuple(AGE_BAND if name == self.age else name for name in self.subgroups)

    @property
    def uses_encoder(self) -> bool:
        """Whether a pretrained model reads the messages."""
        return "t_mlp" in self.models or ("linear" in self.models and self.embeddings is None)

    @property
    def protocols(self) -> tuple[str, ...]:
        """Which protocols run: 'nested' (ours), 'published' (the paper's)."""
        return {"default": ("nested",), "paper": ("published",), "both": ("published", "nested")}[self.preset]

    @property
    def compared_with(self) -> str:
        """The model that the Brier skill score compares with."""
        return self.baseline or ("tfidf" if "tfidf" in self.models else self.models[-1])
