"""Embeddings on disk: computed once, private, resumable after any interruption.

Embeddings leak what was said, and the hash of a short text can be guessed: the folder is as sensitive as the
text itself. Files are written 0600 and folders 0700.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voicerisk.deep.networks.encoders import TextEncoder
from voicerisk.errors import ModelError
from voicerisk.files import PRIVATE, replacing
from voicerisk.types import Progress

KEY_BYTES = 32
SHARD = 512


def content_key(content: str | bytes) -> bytes:
    """Return the SHA-256 of a text (as UTF-8) or of bytes, 32 bytes long."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()


class EmbeddingCache:
    """Vectors by content key, for one encoder.

    Parameters
    ----------
    folder : Path
        Made when missing; may hold the vectors of several encoders.
    identity : str
        Hash of the encoder and of every setting that changes a vector (`TextEncoder.identity`).
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = Path(folder) / identity[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        Path(folder).chmod(0o700)
        self.folder.chmod(0o700)
        self._vectors: dict[bytes, np.ndarray] = {}
        self.damaged = 0
        for shard in sorted(self.folder.glob("*.safetensors")):
            self._load(shard)

    def _load(self, shard: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tables = load_file(shard)
            keys, vectors = tables["keys"], tables["vectors"]
            if shard.stem != _shard_name(keys, vectors):
                raise SafetensorError("the content is not what was written")
        except (SafetensorError, KeyError):
            # A shard that a full disk or a hand has changed: its vectors are computed again.
            self.damaged += 1
            shard.unlink()
            return
        self._vectors.update(zip((key.tobytes() for key in keys), vectors, strict=True))

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, key: bytes) -> bool:
        return key in self._vectors

    def read(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return the vectors of keys.

        Returns
        -------
        ndarray of float32, shape (n, dimension)

        Raises
        ------
        ModelError
            If a key is not there.
        """
        lost = [key for key in keys if key not in self._vectors]
        if lost:
            raise ModelError(
                f"{len(lost)} of {len(keys)} embeddings are not in the cache {self.folder.name}."
            )
        return np.stack([self._vectors[key] for key in keys])

    def write(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep vectors under their keys; on disk when the call returns.

        Parameters
        ----------
        keys : sequence of bytes, each of 32
        vectors : ndarray, shape (n, dimension)
        """
        from safetensors.numpy import save_file

        if not len(keys):
            return
        if not np.isfinite(vectors).all():
            raise ModelError("An encoder returned values that are not finite; nothing was kept.")
        table = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), KEY_BYTES).copy()
        kept = np.ascontiguousarray(vectors, dtype=np.float32)
        with replacing(self.folder / f"{_shard_name(table, kept)}.safetensors", PRIVATE) as temporary:
            save_file({"keys": table, "vectors": kept}, temporary)
        self._vectors.update(zip(keys, kept, strict=True))


def _shard_name(keys: np.ndarray, vectors: np.ndarray) -> str:
    return hashlib.sha256(keys.tobytes() + vectors.tobytes()).hexdigest()[:32]


class CachedEncoder:
    """A text encoder that asks its cache first.

    Parameters
    ----------
    encoder : TextEncoder
    folder : Path or None
        Where vectors are kept; None keeps them in memory alone.
    write : bool
        False: what is found on disk is used and new vectors stay in memory. For texts that nobody wrote, such
        as messages with words left out.
    """

    def __init__(self, encoder: TextEncoder, folder: Path | None, *, write: bool = True) -> None:
        self.encoder = encoder
        self.write = write
        self.cache = None if folder is None else EmbeddingCache(folder, encoder.identity)
        self._known: dict[str, np.ndarray] = {}

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.encoder.dimension

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Return the vectors of texts, computing and keeping those that are not there yet.

        The batches are planned over all texts asked for, cached or not, so that an interrupted call and its
        repetition give the same bits as a call that ran through.

        Returns
        -------
        ndarray of float32, shape (n, dimension)
        """
        self._recall(texts)
        if any(text not in self._known for text in texts):
            self._compute(sorted(set(texts)), progress)
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])

    def _recall(self, texts: Sequence[str]) -> None:
        if self.cache is None:
            return
        unknown = {text: content_key(text) for text in set(texts) if text not in self._known}
        for text, key in unknown.items():
            if key in self.cache:
                self._known[text] = self.cache.read([key])[0]

    def _compute(self, texts: list[str], progress: Progress | None) -> None:
        waiting: list[str] = []
        done = 0
        for rows in self.encoder.batches(texts):
            batch = [texts[k] for k in rows]
            if any(text not in self._known for text in batch):
                for text, vector in zip(batch, self.encoder.encode(batch), strict=True):
                    if text not in self._known:
                        self._known[text] = vector
                        waiting.append(text)
            if len(waiting) >= SHARD:
                self._keep(waiting)
                waiting = []
            done += len(batch)
            if progress is not None:
                progress(done, len(texts))
        self._keep(waiting)

    def _keep(self, texts: list[str]) -> None:
        if self.cache is not None and self.write and texts:
            self.cache.write([content_key(text) for text in texts], np.stack([self._known[t] for t in texts]))
