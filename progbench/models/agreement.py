"""Whether a folder holds the model that models.toml describes: its configuration and its tokenizer.

With another number of heads, activation or vocabulary the same weights load and train just as well, to other scores.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progbench.errors import BadInput
from progbench.models.spec import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

# What a configuration of transformers calls what models.toml says.
CALLED = {
    "vocab_size": "vocabulary",
    "hidden_size": "hidden",
    "num_hidden_layers": "blocks",
    "num_attention_heads": "heads",
    "intermediate_size": "intermediate",
    "max_position_embeddings": "positions",
    "type_vocab_size": "token_types",
    "relative_attention_num_buckets": "position_buckets",
    "initializer_range": "initializer_range",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "dropout",
    "layer_norm_eps": "layer_norm_eps",
}
# What differs between folders of one model, and is read by nothing that trains it.
HARMLESS = {
    "_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "bos_token_id",
    "eos_token_id", "id2label", "label2id", "gradient_checkpointing",
}  # fmt: skip
SPECIAL = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
SIDES = {"truncation_side": "cuts texts", "padding_side": "pads"}
# What tokenizer_config.json can say, and a call of the tokenizer goes by. A call says itself how long a text may be.
# A side that tokenizer.json alone names has become the tokenizer's own when it is read.
ASKED = ("model_input_names", *SIDES, "split_special_tokens")


def configuration_of(model: ModelSpec, num_labels: int) -> PreTrainedConfig:
    """The configuration that models.toml describes. Raises BadInput for an architecture it does not know."""
    from transformers import CONFIG_MAPPING

    if model.architecture not in CONFIG_MAPPING:
        raise BadInput(f"{model.name}: unknown architecture {model.architecture!r}: transformers has none of this name")
    kind = CONFIG_MAPPING[model.architecture]
    there = {*kind().to_dict(), *kind.attribute_map}
    given = {name: value for name, own in CALLED.items() if (value := getattr(model, own)) is not None}
    given = {name: value for name, value in given.items() if name in there} | dict(model.configuration)
    return kind(num_labels=num_labels, **given)


def require_agreement(
    model: ModelSpec, configuration: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Raise BadInput, naming the folder and the first difference, if this is another model than models.toml says."""
    if configuration.model_type != model.architecture:
        raise BadInput(
            f"{folder / 'config.json'}: model_type = {configuration.model_type!r}, but models.toml says "
            f"architecture = {model.architecture!r}"
        )
    wanted, there = map(_compared, (configuration_of(model, configuration.num_labels), configuration))
    for name, value in wanted.items():
        if there.get(name) != value:
            says = f"models.toml says {CALLED[name]} =" if name in CALLED else f"{model.name} has"
            raise BadInput(f"{folder / 'config.json'}: {name} = {there.get(name)!r}, but {says} {value!r}")
    require_tokenizer(model, configuration, tokenizer, folder)


def digest_of(configuration: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> str:
    """A sha256 of what decides which numbers a text becomes, and what a model does with its weights.

    Of the configuration only what models.toml says of it: the rest is what transformers has, and grows with it.
    """
    said = {name: getattr(configuration, name, None) for name in ("model_type", "pad_token_id", *CALLED)}
    content = {"configuration": said, "tokenizer": decisive(tokenizer)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _compared(configuration: PreTrainedConfig) -> dict[str, Any]:
    return {name: value for name, value in configuration.to_dict().items() if name not in HARMLESS}


def require_tokenizer(
    model: ModelSpec, configuration: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Raise BadInput, naming the folder and the first fault, unless this tokenizer makes what the model can read."""
    words = tokenizer.get_vocab()
    if len(tokenizer) != model.vocabulary:
        raise BadInput(
            f"{folder}: its tokenizer knows {len(tokenizer):,} tokens, and {model.name} has embeddings of "
            f"{model.vocabulary:,}; its vocabulary is cut, another model's, or its embeddings are padded, which "
            "progbench does not take"
        )
    last = max(words, key=lambda word: words[word])
    if words[last] >= model.vocabulary:
        raise BadInput(
            f"{folder}: its tokenizer gives {last!r} the number {words[last]:,}, and {model.name} has embeddings for "
            f"0 to {model.vocabulary - 1:,}; its vocabulary has a gap, or is another model's"
        )
    content = _described(tokenizer)["model"]
    unknown = content.get("unk_token")
    if unknown not in content.get("vocab", ()) and (unknown or content.get("type") in ("WordPiece", "WordLevel")):
        raise BadInput(
            f"{folder}: its tokenizer makes {unknown!r} of an unknown word, which its vocabulary does not hold; "
            "set unk_token to a token of the vocabulary, or fetch the model again"
        )
    if tokenizer.pad_token_id != configuration.pad_token_id:
        raise BadInput(
            f"{folder}: its tokenizer pads with token {tokenizer.pad_token_id}, and its config.json says "
            f"{configuration.pad_token_id}; its vocabulary is out of order, or another model's"
        )
    reached = _reached(tokenizer)
    if reached < 0.99 * len(tokenizer):
        raise BadInput(
            f"{folder}: its merges lead to {reached:,} of its {len(tokenizer):,} tokens, so that most words would be "
            "cut into letters; merges.txt is cut, or another model's"
        )
    _require_calls(model, tokenizer, folder)


def _require_calls(model: ModelSpec, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raise BadInput, naming file and field, where a call would cut, pad, or leave out what the model reads."""
    settings = folder / "tokenizer_config.json"
    for name, does in SIDES.items():
        if (side := getattr(tokenizer, name)) != "right":
            field = name.removesuffix("_side")
            raise BadInput(
                f"{settings}: {name} = {side!r}, or the direction of {field!r} in tokenizer.json: it {does} on the "
                "left, and progbench's scores are of the right; set it to 'right'"
            )
    wanted = ["input_ids", "attention_mask"] + ["token_type_ids"] * (model.token_types > 1)
    if absent := [name for name in wanted if name not in tokenizer.model_input_names]:
        says = f", and models.toml says token_types = {model.token_types}" if absent == ["token_type_ids"] else ""
        raise BadInput(
            f"{settings}: model_input_names = {list(tokenizer.model_input_names)} lacks {', '.join(absent)}{says}; "
            f"{model.name} would be trained without; add it"
        )


def decisive(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    # truncation and padding of the description itself are set anew by each call
    described = {
        name: value for name, value in _described(tokenizer).items() if name not in ("version", "truncation", "padding")
    }
    asked = {name: getattr(tokenizer, name) for name in ASKED}
    return {"described": described, "asked": asked | {name: getattr(tokenizer, f"{name}_token_id") for name in SPECIAL}}


def _described(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return json.loads(tokenizer.backend_tokenizer.to_str())


def _reached(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens a word can become: of byte pairs, what merges lead to beside the bytes; of other kinds, all."""
    model = _described(tokenizer)["model"]
    if model.get("type") != "BPE":
        return len(tokenizer)
    return 256 + len(model["merges"]) + len(tokenizer.get_added_vocab())
