"""Whether a folder holds the model that models.toml describes: its configuration, field by field; see also tokens.py.

With another number of heads, activation or vocabulary the same weights load and train just as well, to other scores.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progbench.errors import BadInput
from progbench.models.spec import ModelSpec
from progbench.models.tokens import decisive, require_tokenizer

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
