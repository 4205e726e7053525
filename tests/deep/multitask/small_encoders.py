"""Tiny speech and text encoders with random weights, and a small study of tones and sentences."""

import json
from pathlib import Path

import numpy as np
import soundfile

WORDS = ["ich", "bin", "heute", "traurig", "müde", "froh", "allein", "stark", "ruhig", "leer", "und", "nicht"]
RATE = 16_000


def build_speech(folder: Path, family: str, mask: bool = True, seed: int = 0) -> Path:
    """Write a tiny wav2vec 2.0 or HuBERT into a folder."""
    import torch
    from transformers import (
        HubertConfig,
        HubertModel,
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Model,
    )

    config, model = {"wav2vec2": (Wav2Vec2Config, Wav2Vec2Model), "hubert": (HubertConfig, HubertModel)}[
        family
    ]
    torch.manual_seed(seed)
    settings = config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, conv_dim=(8, 8),
        conv_kernel=(10, 8), conv_stride=(5, 64), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, feat_extract_norm="layer" if mask else "group",
        do_stable_layer_norm=mask,
    )  # fmt: skip
    model(settings).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=mask, do_normalize=True).save_pretrained(folder)
    return folder


def build_text(folder: Path, family: str, seed: int = 0) -> Path:
    """Write a tiny Longformer or ERNIE with a word tokenizer into a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        ErnieConfig,
        ErnieModel,
        LongformerConfig,
        LongformerModel,
        PreTrainedTokenizerFast,
    )

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(seed)
    common = {
        "vocab_size": len(vocabulary), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 80, "pad_token_id": 0,
    }  # fmt: skip
    if family == "longformer":
        LongformerModel(LongformerConfig(attention_window=[8], **common)).save_pretrained(folder)
    else:
        ErnieModel(ErnieConfig(**common)).save_pretrained(folder)
    return folder


def write_study(folder: Path, encoders: dict[str, Path], n: int = 24, extra: str = "", seed: int = 3) -> Path:
    """Write recordings, a table of cases and a study file; return the study file."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["case_id,person_id,audio,transcript,hamd17,sad_persons,age,sex"]
    for number in range(n):
        hamd = [rng.integers(0, 8), rng.integers(8, 24), rng.integers(24, 40)][number % 3]
        sad = rng.integers(4, 11) if number % 2 else rng.integers(0, 4)
        time = np.arange(int(RATE * 0.6)) / RATE
        pitch = 110 + 60 * (number % 3)
        tone = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.02 * rng.normal(size=len(time))
        sound = np.concatenate([np.zeros(3200), tone, np.zeros(3200)])
        soundfile.write(folder / f"c{number}.wav", sound, RATE)
        mood = ("froh ruhig stark", "müde leer", "traurig allein leer")[number % 3]
        words = " ".join(rng.choice(WORDS, size=8)) + " " + mood
        sex = ["female", "male"][rng.integers(2)]
        rows.append(f"c{number},p{number},c{number}.wav,{words},{hamd},{sad},{rng.integers(20, 70)},{sex}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    places = {name: json.dumps(str(place)) for name, place in encoders.items()}
    study = folder / "study.toml"
    study.write_text(
        f"""
[multitask]
cases = "cases.csv"
demographics = ["age", "sex"]
audio_encoders = {{ W = {places["W"]}, H = {places["H"]} }}
text_encoders = {{ L = {places["L"]}, E = {places["E"]} }}
labels = {{ W = "wav2vec 2.0", H = "HuBERT", L = "Longformer", E = "ERNIE-health" }}
max_tokens = 32
folds = 2
bootstraps = 100
{extra}

[multitask.sound]
window_s = 0.25

[multitask.network]
hidden = [6]
epochs = 2
""",
        encoding="utf-8",
    )
    return study
