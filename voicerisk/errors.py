"""Errors that voicerisk raises on purpose.

One root, one class a domain. Every message is one sentence (or a short list) that says what was found, where
(file, row, column, value) and what to do about it. The command line prints the message alone, without a
traceback.
"""


class VoiceriskError(Exception):
    """Root of all errors that voicerisk raises on purpose."""


class StudyError(VoiceriskError):
    """The study file, or the folder of a study, cannot be used as it is."""


class CohortError(VoiceriskError):
    """The calls table or a label track cannot be used as it is."""


class AudioError(VoiceriskError):
    """A recording cannot be read or analysed."""


class BiomarkerError(VoiceriskError):
    """Biomarkers cannot be computed with these settings, or a table of markers is unusable."""


class ScreeningError(VoiceriskError):
    """The Lasso cannot be fitted to this table."""


class ModelError(VoiceriskError):
    """A model cannot be fitted, saved, loaded or applied."""


class RBridgeError(VoiceriskError):
    """R, one of its packages, or a call into R failed."""


class ValidationError(VoiceriskError):
    """A predictions table or a validation design cannot be used as it is."""


class TextError(VoiceriskError):
    """A table of messages, or a setting of the text classifier, cannot be used as it is."""


class MultitaskError(VoiceriskError):
    """A table of cases, or a setting of the audio and text models, cannot be used as it is."""


class ReportError(VoiceriskError):
    """A figure, a table or the report cannot be made."""
