"""Neural models of text and of text with sound: the only room that knows torch, transformers and shap.

Importing this package loads none of them; each module does where it needs them (`pip install
'voicerisk[deep]'`). Shared by all models here: `encoders` (pretrained models from a local folder), `cache`
(embeddings on disk) and `training` (the seeded loop with early stopping).
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.deep.networks.cache import CachedEncoder, EmbeddingCache
    from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder
    from voicerisk.deep.networks.training import Trained, TrainingSettings, deterministic, train


__all__ = [
    "TextEncoder",
]

__getattr__, __dir__ = attach(__name__, __file__)
