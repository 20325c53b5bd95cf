"""Which module belongs to which component of Eq. 1: the rules, as data; the only place that names modules. No torch.

`dissect` applies them; docs/models.md explains them. RULES names what lies elsewhere than its order says. E and H train
in every stage, so to confuse the two would change neither what is frozen nor what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from progbench.errors import BadInput

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Layout:
    """Module paths: `blocks` below the base model; the rest below one block.

    What lies outside the base model is the classifier. `attention` holds the `projections` LoRA may target. From
    `after_attention` on no token sees another. `first_token` is the module that reads a text's first token alone.
    `positions_after_padding`: positions are numbered from one above the padding token's id. `relative_positions`:
    attention adds a bias by relative position, and is not in transformers' registry.
    """

    blocks: str = "encoder.layer"
    attention: str = "attention.self"
    projections: tuple[str, ...] = ("query", "key", "value")
    after_attention: str = "attention.output"
    first_token: str = "pooler"
    positions_after_padding: bool = False
    relative_positions: bool = False

    @property
    def has_pooler(self) -> bool:
        return self.first_token == "pooler"

    def projection(self, target: str) -> str | None:
        """What one of LoRA's targets is called here: "q" for MPNet's "query"."""
        return next((name for name in (target, *PROJECTIONS.get(target, ())) if name in self.projections), None)


@dataclass(frozen=True)
class Rule:
    """The component of a module or parameter, by its name in a holder whose class's name ends with one of `holders`."""

    name: str
    component: str
    why: str
    holders: tuple[str, ...] = ("",)


EMBEDDINGS, HEAD = "embeddings", "head"
BEFORE = "before the blocks"
AFTER = "after the blocks"
OUTSIDE = "outside the base model"
TOWER = "a tower before the blocks"

RULES = (
    Rule("relative_attention_bias", EMBEDDINGS, "one position bias for all blocks"),  # MPNet, T5
    Rule("rel_attn_embed", EMBEDDINGS, "one position bias for all blocks"),  # WavLM
    Rule("global_relative_attention_bias", EMBEDDINGS, "one position bias for all blocks"),  # LongT5
    Rule("rel_embeddings", EMBEDDINGS, "relative positions, read by all blocks"),  # DeBERTa
    Rule("LayerNorm", EMBEDDINGS, "normalises the relative positions", ("DebertaV2Encoder", "SEWDTransformerEncoder")),
    Rule("conv", EMBEDDINGS, "reads what enters the first block", ("DebertaV2Encoder", "SEWDTransformerEncoder")),
)

# What the first block of a stack holds for all of them; where every block has its own (UMT5), it belongs to the block.
HELD_BY_THE_FIRST_BLOCK = ("relative_attention_bias", "rel_attn_embed", "global_relative_attention_bias")

# Blocks that run more than once in a forward pass, and so cannot be divided among the stages of a schedule.
REFUSED = {
    "albert": "all its layers compute with the parameters of one shared block, so no schedule can divide them",
    "hrm_text": "its two stacks take turns, each block several times in a step, so neither is below the other",
}
REPEATS = {
    "perceiver": "num_blocks",  # how often the blocks run, one after the other
    "funnel": "block_repeats",  # how often each block of a stage runs
}


def refused(configuration: Any) -> str:
    """Why a model whose blocks run more than once cannot be taken apart; "" for any other."""
    kind = getattr(configuration, "model_type", "")
    times = getattr(configuration, REPEATS.get(kind, ""), 1)
    if any(count > 1 for count in (times if isinstance(times, list | tuple) else [times])):
        return f"its blocks run several times in a step ({REPEATS[kind]}={times}), so none of them is below the others"
    return REFUSED.get(kind, "")


# What LoRA's targets are called in other architectures than BERT; one matrix for all three serves each of them.
PROJECTIONS = {
    "query": ("query", "query_proj", "q_proj", "q_lin", "q"),
    "key": ("key", "key_proj", "k_proj", "k_lin", "k"),
    "value": ("value", "value_proj", "v_proj", "v_lin", "v"),
}
FUSED = ("c_attn", "Wqkv", "query_key_value", "qkv_proj", "qkv")

# The module that closes each sublayer of a block, before the residual is added: Houlsby's adapter goes behind it. The
# third is that of a decoder in an encoder-decoder.
_LIKE_BERT = ("attention.output.dropout", "output.dropout")
_LIKE_LLAMA = ("self_attn.o_proj", "mlp.down_proj")
SUBLAYER_ENDS = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra", "deberta", "deberta-v2"), _LIKE_BERT),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"), _LIKE_LLAMA),
    "distilbert": ("attention.out_lin", "ffn.dropout"),
    "mpnet": ("attention.dropout", "output.dropout"),
    "modernbert": ("attn.Wo", "mlp.Wo"),
    "gpt2": ("attn.resid_dropout", "mlp.dropout"),
    "opt": ("self_attn.out_proj", "fc2"),
    "vit": ("attention.o_proj", "mlp.fc2"),
    "wav2vec2": ("dropout", "feed_forward.output_dropout"),
    "clip_text_model": ("self_attn.out_proj", "mlp.fc2"),
    "t5": ("layer.0.dropout", "layer.1.dropout", "layer.2.dropout"),
    "bart": ("self_attn.out_proj", "fc2", "encoder_attn.out_proj"),
}


def rule_for(name: str, holder: str) -> Rule | None:
    return next((rule for rule in RULES if rule.name == name and holder.endswith(rule.holders)), None)


LAYOUTS = {
    "bert": Layout(),
    "roberta": Layout(first_token="classifier", positions_after_padding=True),
    "mpnet": Layout(
        attention="attention.attn",
        projections=("q", "k", "v", "o"),
        after_attention="attention",
        first_token="classifier",
        positions_after_padding=True,
        relative_positions=True,
    ),
}


def base_of(model: nn.Module) -> nn.Module:
    """The transformer inside a transformers model with a head; any other model as it is."""
    return getattr(model, "base_model", model)


def layout_of(model: nn.Module) -> Layout:
    """The layout of a model. Raises BadInput for an architecture that is not in LAYOUTS."""
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if kind not in LAYOUTS:
        raise BadInput(f"{type(model).__name__} has the unknown architecture {kind!r} (known: {', '.join(LAYOUTS)})")
    return LAYOUTS[kind]


def listed(names: list[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
