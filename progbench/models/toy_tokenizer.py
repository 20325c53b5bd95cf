"""A tokenizer for the words of the generated files, for the tiny random models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progbench.models.spec import LIKE_ROBERTA
from progbench.tasks.toy import WORDS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


WITH_TYPES = ("bert", "electra")  # architectures that are told which text of a pair a token is of


def build(architecture: str) -> PreTrainedTokenizerBase:
    """A word-level tokenizer with RoBERTa's special tokens and their places around a pair, or else BERT's."""
    import tokenizers
    import transformers

    if architecture not in LIKE_ROBERTA:
        special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
        single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
    else:  # id 1 is RoBERTa's padding: its position numbers start after it
        special = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
        single, pair = "<s> $A </s>", "<s> $A </s> </s> $B </s>"
    vocabulary = {word: number for number, word in enumerate([*special.values(), *WORDS])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=special["unk"]))
    backend.normalizer = tokenizers.normalizers.Lowercase()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(special[name], vocabulary[special[name]]) for name in ("cls", "sep")]
    )
    names = {f"{name}_token": token for name, token in special.items()}
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if architecture in WITH_TYPES else [])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)
