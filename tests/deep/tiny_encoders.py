"""Writes tiny pretrained models with random weights, and tokenizers trained on a few sentences."""

from pathlib import Path

SENTENCES = [
    "ich kann heute nicht schlafen und bin so allein", "danke dass du mir zuhoerst das hilft mir sehr",
    "meine mutter versteht mich nicht und schreit mich an",
    "ich will nicht mehr leben und wuensche mir den tod",
    "ich habe tabletten gekauft und will heute nacht sterben", "wie geht es dir heute was ist passiert",
    "in der schule lachen alle ueber mich", "mein freund hat schluss gemacht und ich weine den ganzen tag",
    "I can not sleep at night", "nobody would miss me if I was gone", "thank you this helped a lot",
]  # fmt: skip
SIZE = 32


def build_xlm_roberta(folder: Path, texts: list[str] = SENTENCES, seed: int = 0) -> Path:
    """Write a tiny XLM-RoBERTa (Unigram tokenizer trained on `texts`) into a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>", cls_token="<s>", sep_token="</s>", mask_token="<mask>",
    )  # fmt: skip
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=len(fast), hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=130, pad_token_id=1,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder)
    return folder
