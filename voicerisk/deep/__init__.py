"""Neural models of text and of text with sound: the only room that knows torch, transformers and shap.

Importing this package loads none of them; each module does where it needs them (`pip install
'voicerisk[deep]'`). Shared by all models here: `encoders` (pretrained models from a local folder), `cache`
(embeddings on disk) and `training` (the seeded loop with early stopping).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicerisk.deep.networks.cache import CachedEncoder, EmbeddingCache
    from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder
    from voicerisk.deep.networks.training import Trained, TrainingSettings, deterministic, train

_HOME = {
    "CachedEncoder": "networks.cache",
    "EmbeddingCache": "networks.cache",
    "EncoderSettings": "networks.encoders",
    "TextEncoder": "networks.encoders",
    "Trained": "networks.training",
    "TrainingSettings": "networks.training",
    "deterministic": "networks.training",
    "train": "networks.training",
}

__all__ = [
    "CachedEncoder",
    "EmbeddingCache",
    "EncoderSettings",
    "TextEncoder",
    "Trained",
    "TrainingSettings",
    "deterministic",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
