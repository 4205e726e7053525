"""The `[multitask]` table of a study file: cases, sound, encoders, network, experiments.

The paper does not give the depth and width of its network, the pooling of embeddings, which 6.25 s of a
recording are used, or the shape of the decay of its learning rate; those are our choices and say so here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from voicerisk.errors import MultitaskError
from voicerisk.pipeline.setting import require_choice, require_whole
from voicerisk.text.settings import DEVICES

PRESETS = ("default", "paper", "both")
CROPS = ("head", "center", "multi")
DENOISERS = ("none", "spectral_gate")
LOSSES = ("eq6", "liebel_korner")
EXPERIMENTS = ("severity", "risk", "both")
MISSING = ("exclude", "mean")
BIOMARKERS = "B"


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One of the two tasks: a score and its classes.

    Parameters
    ----------
    column : str
        Column of the cases table with the score, or with class names where `cuts` is empty.
    classes : tuple of str
        From least to most severe. The last is the positive class of a task with two.
    cuts : tuple of float
        First score of each further class; empty where the column holds class names.
    lowest, highest : float
        Scores outside are an error.
    """

    column: str
    classes: tuple[str, ...]
    cuts: tuple[float, ...] = ()
    lowest: float = 0.0
    highest: float = float("inf")

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "cuts", tuple(float(cut) for cut in self.cuts))
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes) or "" in self.classes:
            raise MultitaskError(
                f"[multitask] the target {self.column!r} needs two or more different classes, not "
                f"{list(self.classes)}."
            )
        if self.cuts and len(self.cuts) != len(self.classes) - 1:
            raise MultitaskError(
                f"[multitask] the target {self.column!r} has {len(self.classes)} classes, so it needs "
                f"{len(self.classes) - 1} cuts, not {len(self.cuts)}."
            )
        edges = (self.lowest, *self.cuts, self.highest)
        if self.cuts and any(a >= b for a, b in pairwise(edges)):
            raise MultitaskError(
                f"[multitask] the cuts of {self.column!r} must rise from {self.lowest:g} to "
                f"{self.highest:g}, not {list(self.cuts)}."
            )


HAMD = TargetSettings("hamd17", ("none", "low_moderate", "high"), (8.0, 24.0), 0.0, 52.0)
SAD_PERSONS = TargetSettings("sad_persons", ("low", "raised"), (4.0,), 0.0, 10.0)


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """What happens to a recording before an encoder hears it: `[multitask.sound]`.

    Parameters
    ----------
    channel : int or None
        The speaker's channel in files of several, counted from 1.
    trim_db : float or None
        Silence at both edges is cut where 20 ms frames lie so many dB or more below the loudest one; None
        keeps it (paper: silence at the edges is removed, no rule given).
    denoise : {'none', 'spectral_gate'}
        Paper: Podcastle, a closed web service. From Python any function of samples and rate may stand here.
    crop : {'head', 'center', 'multi'} or None
        First or middle window, or the mean over all windows (paper: not given). None: 'head' with
        preset = "paper", else 'multi'.
    window_s : float
        Seconds a window (paper: 6.25 s, 100,000 samples at 16 kHz). Shorter sound is padded with zeros.
    """

    channel: int | None = None
    trim_db: float | None = 40.0
    denoise: str = "none"
    crop: str | None = None
    window_s: float = 6.25

    def __post_init__(self) -> None:
        require_choice("[multitask] sound.denoise", self.denoise, DENOISERS, MultitaskError)
        if self.crop is not None:
            require_choice("[multitask] sound.crop", self.crop, CROPS, MultitaskError)
        if self.trim_db is not None and not 5.0 <= self.trim_db <= 120.0:
            raise MultitaskError(f"[multitask.sound] trim_db must lie in 5 to 120, not {self.trim_db!r}.")
        if not 0.1 <= self.window_s <= 60.0:
            raise MultitaskError(f"[multitask.sound] window_s must lie in 0.1 to 60, not {self.window_s!r}.")


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The shared network and its training: `[multitask.network]`.

    Parameters
    ----------
    hidden : tuple of int
        Units of each shared layer: linear, batch normalisation, ReLU, dropout (paper: depth and width not
        given).
    loss : {'eq6', 'liebel_korner'}
        How the losses of two tasks are weighted; see `UncertaintyWeighting`.
    warmup, dropout : float or None
        None takes Table 4 of the paper, by number of modalities and tasks.
    epochs, patience, batch, learning_rate : int, int, int, float
        As in the paper: 20, 3, 8, 5e-4, AdamW.
    weight_decay : float
        Of AdamW (paper: not given; 0.01 is the optimiser's default). The weights of the losses have none.
    modality_dropout : float
        Share of training cases, in each batch, from which one modality is hidden, so that the network learns
        to do without (not in the paper).
    """

    hidden: tuple[int, ...] = (256, 64)
    loss: str = "eq6"
    warmup: float | None = None
    dropout: float | None = None
    epochs: int = 20
    patience: int = 3
    batch: int = 8
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        require_choice("[multitask] network.loss", self.loss, LOSSES, MultitaskError)
        for name in ("epochs", "patience"):
            require_whole(f"[multitask] network.{name}", getattr(self, name), MultitaskError, 1)
        require_whole("[multitask] network.batch", self.batch, MultitaskError, 2)
        if not self.hidden:
            raise MultitaskError("[multitask.network] hidden must name at least one layer's units.")
        for units in self.hidden:
            require_whole("[multitask] network.hidden", units, MultitaskError, 1)
        for name in ("warmup", "dropout", "modality_dropout"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < 1.0:
                raise MultitaskError(f"[multitask.network] {name} must lie in [0, 1), not {value!r}.")
        if not self.learning_rate > 0.0 or self.weight_decay < 0.0:
            raise MultitaskError(
                "[multitask.network] learning_rate must be above 0 and weight_decay not below it."
            )


@dataclass(frozen=True, slots=True)
class MultitaskSettings:
    """`[multitask]` of a study file.

    Parameters
    ----------
    cases : str
        CSV, one row a case.
    case, person, audio, text, text_file : str
        Names of its columns. Without a person column every case is its own person. A transcript stands in
        the table, or in a file of UTF-8 text that the table names.
    demographics : tuple of str
        Columns for Tables 2 and 3 and the demographics-only baseline.
    severity, risk : TargetSettings
        `[multitask.severity]` and `[multitask.risk]`: HAMD-17 0-7, 8-23, 24 or more and SAD PERSONS 0-3,
        4 or more.
    audio_encoders, text_encoders : mapping of str to str
        Symbol to local folder of a pretrained model (paper: W = wav2vec 2.0 and H = HuBERT of 1024 numbers,
        L = Longformer and E = ERNIE-health of 768; the checkpoints stand in an appendix not available).
    labels : mapping of str to str
        Names of the symbols in tables and figures.
    biomarkers : bool
        Add the 36 voice biomarkers (mean over the frames with speech) as the audio input B, which the paper
        does not have.
    inputs : tuple of str
        Combinations, as "W" or "W+E"; () = every symbol alone, then each audio with each text.
    experiments : tuple of {'severity', 'risk', 'both'}
        The paper's experiments 1 to 3. With ["risk"] or ["severity"] alone the other score is not needed.
    max_tokens : int
        Longer transcripts are cut and counted (paper: 512).
    pooling : {'mean', 'first'}
        How tokens become one vector (paper: not given).
    missing : {'exclude', 'mean'}
        Cases without a recording or transcript leave and are counted, or stay with the training mean in
        place of what they lack.
    preset : {'default', 'paper', 'both'}
        'paper' repeats what was published: training is stopped on the fold that is then measured. Every
        result then carries a warning.
    folds : int
        Paper: 10.
    repeats : int
        Random divisions into folds (paper: 1).
    validation_share : float
        Share of the training persons on whom training is stopped and risks are recalibrated.
    bootstraps : int
        Resamples of persons.
    voice_scores : str or None
        A predictions file of the main pipeline (call rows), for late fusion; its call_id is our case.
    voice_protocol : str
        Which of its protocols.
    cache : bool
        Keep embeddings on disk, in the results folder.
    device : {'cpu', 'gpu', 'auto'}
        Where encoders run. The networks themselves are small and run on the CPU, to the same bits each time.
    seed : int
    sound, network
        `[multitask.sound]`, `[multitask.network]`.
    """

    cases: str
    case: str = "case_id"
    person: str = "person_id"
    audio: str = "audio"
    text: str = "transcript"
    text_file: str = "transcript_file"
    demographics: tuple[str, ...] = ()
    severity: TargetSettings = HAMD
    risk: TargetSettings = SAD_PERSONS
    audio_encoders: Mapping[str, str] = field(default_factory=dict)
    text_encoders: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    biomarkers: bool = False
    inputs: tuple[str, ...] = ()
    experiments: tuple[str, ...] = EXPERIMENTS
    max_tokens: int = 512
    pooling: str = "mean"
    missing: str = "exclude"
    preset: str = "default"
    folds: int = 10
    repeats: int = 1
    validation_share: float = 0.15
    bootstraps: int = 2000
    voice_scores: str | None = None
    voice_protocol: str = "nested"
    cache: bool = True
    device: str = "cpu"
    seed: int = 1
    sound: SoundSettings = field(default_factory=SoundSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        for name in ("demographics", "inputs", "experiments"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require_choice("[multitask] preset", self.preset, PRESETS, MultitaskError)
        require_choice("[multitask] missing", self.missing, MISSING, MultitaskError)
        require_choice("[multitask] pooling", self.pooling, ("mean", "first"), MultitaskError)
        require_choice("[multitask] device", self.device, DEVICES, MultitaskError)
        for name, least in (
            ("folds", 2), ("repeats", 1), ("bootstraps", 100), ("seed", 0), ("max_tokens", 4),
        ):  # fmt: skip
            require_whole(f"[multitask] {name}", getattr(self, name), MultitaskError, least)
        if not 0.0 < self.validation_share < 0.5:
            raise MultitaskError(
                f"[multitask] validation_share must lie between 0 and 0.5, not {self.validation_share!r}."
            )
        if not self.experiments or len(set(self.experiments)) != len(self.experiments):
            raise MultitaskError("[multitask] experiments must name some of severity, risk, both, each once.")
        for one in self.experiments:
            require_choice("[multitask] experiments", one, EXPERIMENTS, MultitaskError)
        if self.voice_scores is not None and "risk" not in self.targets:
            raise MultitaskError(
                "[multitask] voice_scores are fused with the risk of suicide, which no experiment trains; "
                'add "risk" to experiments or leave voice_scores out.'
            )
        symbols = list(self.modalities)
        for symbol in symbols:
            if not symbol.isalnum():
                raise MultitaskError(f"[multitask] an encoder's symbol must be letters, not {symbol!r}.")
        twice = set(self.audio_encoders) & set(self.text_encoders)
        if twice or (self.biomarkers and BIOMARKERS in {*self.audio_encoders, *self.text_encoders}):
            raise MultitaskError(
                f"[multitask] the symbol {sorted(twice or {BIOMARKERS})[0]!r} stands for two inputs."
            )
        if not symbols:
            raise MultitaskError(
                '[multitask] names no input; give audio_encoders = { W = "folder" }, text_encoders = { E = '
                '"folder" }, or biomarkers = true.'
            )
        for combination in self.inputs:
            parts = combination.split("+")
            unknown = [part for part in parts if part not in symbols]
            if unknown or len(set(parts)) != len(parts):
                raise MultitaskError(
                    f"[multitask] inputs has {combination!r}; known symbols are {', '.join(symbols)}, each "
                    "once, joined by +."
                )

    @property
    def modalities(self) -> dict[str, str]:
        """Modality, 'audio' or 'text', of each symbol."""
        own = {BIOMARKERS: "audio"} if self.biomarkers else {}
        return dict.fromkeys(self.audio_encoders, "audio") | own | dict.fromkeys(self.text_encoders, "text")

    @property
    def combinations(self) -> tuple[str, ...]:
        """The inputs that are run."""
        return self.inputs or default_inputs(self.modalities)

    @property
    def crop(self) -> str:
        """Which windows of a recording are heard."""
        return self.sound.crop or ("head" if self.preset == "paper" else "multi")

    @property
    def protocols(self) -> tuple[str, ...]:
        """Which protocols run: 'nested' (ours), 'published' (the paper's)."""
        return {"default": ("nested",), "paper": ("published",), "both": ("published", "nested")}[self.preset]

    @property
    def targets(self) -> dict[str, TargetSettings]:
        """The tasks that the experiments train, by name: both, or one alone."""
        trained = {"severity", "risk"} if "both" in self.experiments else set(self.experiments)
        every = {"severity": self.severity, "risk": self.risk}
        return {name: target for name, target in every.items() if name in trained}


def default_inputs(modalities: Mapping[str, str]) -> tuple[str, ...]:
    """Return every symbol alone, then each audio with each text, as the paper has them.

    Examples
    --------
    >>> default_inputs({"W": "audio", "L": "text", "E": "text"})
    ('W', 'L', 'E', 'W+L', 'W+E')
    """
    audio = [symbol for symbol, kind in modalities.items() if kind == "audio"]
    text = [symbol for symbol, kind in modalities.items() if kind == "text"]
    return (*audio, *text, *(f"{a}+{t}" for a in audio for t in text))
