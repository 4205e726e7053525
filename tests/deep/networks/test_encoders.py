import json
import os
import shutil

import numpy as np
import pytest

from tests.deep.tiny_encoders import SENTENCES
from voicerisk.deep.networks.cache import CachedEncoder, EmbeddingCache, content_key
from voicerisk.deep.networks.encoders import EncoderSettings, TextEncoder, folder_identity, load_model
from voicerisk.errors import ModelError

# Float32 sums in another order: matrix products of other batch sizes round differently.
ROUNDING = 2e-6


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    return TextEncoder(EncoderSettings(tiny_encoder, max_tokens=32, batch=4))


def test_embeddings_do_not_depend_on_order_duplicates_or_neighbours(encoder):
    texts = [*SENTENCES, SENTENCES[0], "kurz"]
    together = encoder.embed(texts)
    assert together.shape == (len(texts), encoder.dimension)
    assert together.dtype == np.float32
    backwards = encoder.embed(texts[::-1])[::-1]
    np.testing.assert_array_equal(together, backwards)
    alone = np.vstack([encoder.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=ROUNDING)
    assert np.ptp(together[0] - together[1]) > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_padding_changes_nothing(tiny_encoder, pooling):
    encoder = TextEncoder(EncoderSettings(tiny_encoder, pooling=pooling))
    padded = encoder.encode(["kurz", SENTENCES[4]])
    np.testing.assert_allclose(padded[0], encoder.encode(["kurz"])[0], atol=ROUNDING)


def test_long_texts_are_cut_and_counted(tiny_encoder):
    encoder = TextEncoder(EncoderSettings(tiny_encoder, max_tokens=6))
    ids, cut = encoder.tokens(["a", " ".join(SENTENCES)])
    assert cut == 1
    assert max(len(one) for one in ids) == 6


def test_a_cache_hit_is_what_would_be_computed_and_files_are_private(tmp_path, tiny_encoder):
    settings = EncoderSettings(tiny_encoder, batch=3)
    first = CachedEncoder(TextEncoder(settings), tmp_path / "cache").embed(SENTENCES)
    again = CachedEncoder(TextEncoder(settings), tmp_path / "cache")
    again.encoder.encode = lambda texts: pytest.fail("encoded again")  # type: ignore[method-assign]
    np.testing.assert_array_equal(again.embed(SENTENCES), first)
    np.testing.assert_array_equal(TextEncoder(settings).embed(SENTENCES), first)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert all(
        path.stat().st_mode & 0o777 == 0o700 for path in (tmp_path / "cache").rglob("*") if path.is_dir()
    )


def test_an_interrupted_cache_goes_on_with_the_same_bits(tmp_path, tiny_encoder, monkeypatch):
    monkeypatch.setattr("voicerisk.deep.networks.cache.SHARD", 2)
    settings = EncoderSettings(tiny_encoder, batch=2)
    whole = CachedEncoder(TextEncoder(settings), None).embed(SENTENCES)
    broken = CachedEncoder(TextEncoder(settings), tmp_path)
    encode, calls = broken.encoder.encode, []

    def three_batches(texts):
        calls.append(texts)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return encode(texts)

    broken.encoder.encode = three_batches
    with pytest.raises(KeyboardInterrupt):
        broken.embed(SENTENCES)
    resumed = CachedEncoder(TextEncoder(settings), tmp_path)
    assert 0 < len(resumed.cache) < len(SENTENCES)
    np.testing.assert_array_equal(resumed.embed(SENTENCES), whole)


def test_texts_that_nobody_wrote_are_not_kept(tmp_path, tiny_encoder):
    settings = EncoderSettings(tiny_encoder)
    CachedEncoder(TextEncoder(settings), tmp_path).embed(SENTENCES[:2])
    reading = CachedEncoder(TextEncoder(settings), tmp_path, write=False)
    reading.embed([SENTENCES[0], "nie geschrieben"])
    again = CachedEncoder(TextEncoder(settings), tmp_path)
    assert len(again.cache) == 2


def test_other_settings_or_weights_have_a_cache_of_their_own(tmp_path, tiny_encoder):
    one = TextEncoder(EncoderSettings(tiny_encoder, max_tokens=32))
    assert one.identity != TextEncoder(EncoderSettings(tiny_encoder, max_tokens=16)).identity
    assert one.identity != TextEncoder(EncoderSettings(tiny_encoder, max_tokens=32, pooling="first")).identity
    copy = shutil.copytree(tiny_encoder, tmp_path / "copy")
    assert TextEncoder(EncoderSettings(copy, max_tokens=32)).identity == one.identity
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert TextEncoder(EncoderSettings(copy, max_tokens=32)).identity != one.identity


def test_a_damaged_shard_is_computed_again(tmp_path):
    cache = EmbeddingCache(tmp_path, "a" * 64)
    keys = [content_key("one"), content_key("two")]
    cache.write(keys, np.eye(2))
    (shard,) = cache.folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 255
    shard.write_bytes(content)
    damaged = EmbeddingCache(tmp_path, "a" * 64)
    assert damaged.damaged == 1
    assert keys[0] not in damaged
    with pytest.raises(ModelError, match="2 of 2 embeddings are not in the cache"):
        damaged.read(keys)


def test_pickled_weights_and_code_of_the_models_own_are_refused(tmp_path, tiny_encoder):
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        folder_identity(tmp_path)
    pickled = shutil.copytree(tiny_encoder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickle"):
        load_model(pickled)
    own = shutil.copytree(tiny_encoder, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(ModelError, match="auto_map"):
        load_model(own)


def test_models_load_without_any_connection(tiny_encoder, monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("a connection was asked for")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(f"socket.socket.{name}", refused)
    monkeypatch.setattr("socket.getaddrinfo", refused)
    assert TextEncoder(EncoderSettings(tiny_encoder)).embed(["nichts"]).shape == (1, 32)


def test_the_hub_is_switched_off(encoder):
    encoder.embed(["nichts"])
    assert os.environ["HF_HUB_OFFLINE"] == "1"
