"""A slice of the sweep over all models of transformers: types of every kind that was once taken apart wrongly."""

import functools
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import model_sweep
import sweep_checks

from progbench import Anatomy
from progbench.errors import BadInput
from progbench.method.choice import suggestion

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # what transformers says of configurations that are not meant to train

# type: blocks of its tiny model, four in a text model, three in a tower, and in stages as many as their sizes add up to
ONE_LIST = dict.fromkeys(
    """bert gpt2 vit wav2vec2 squeezebert canine bamba jamba qwen3_5_text qwen3_next qwen4_exp_text nemotron_h mamba
    fnet xlstm lfm3 recurrent_gemma mllama longcat_flash inkling2_text""".split(),
    4,
)
STAGES = {"swin": 9, "swinv2": 9, "hiera": 7, "segformer": 8, "cvt": 7, "pvt": 6, "funnel": 12, "convnext": 7}
BY_USE = dict.fromkeys("cpmant gemma3n_text gemma4_text gte nomic_bert prophetnet neomme wav2vec2-conformer".split(), 4)
BY_USE |= {"t5gemma": 7, "layoutlmv3": 4, "zaya": 4}
HALVES = {"t5": 8, "seamless_m4t": 8, "encoder-decoder": 7, "t5gemma2": 7}
TOWERS = dict.fromkeys("qwen3_5 gemma3 qwen2_audio voxtral modernvbert git phi4_multimodal".split(), 4)
PARALLEL = {"xlm": 4, "flaubert": 4}
REFUSED = {
    "albert": "one shared block",
    "zamba": "is shared by block",
    "hrm_text": "take turns",
    "blt": "stacks of blocks",
    "lxmert": "3 stacks of blocks",
    "levit": r"no list of stages with \[2, 2, 2\] blocks",
    "mobilenet_v2": "no stack of like blocks",
}


def first(kind):
    return model_sweep.pairs([kind])[0]


judged = functools.cache(model_sweep.judged)


def found(kind):
    return judged(first(kind))


@pytest.mark.parametrize(("kind", "blocks"), [*(ONE_LIST | STAGES | BY_USE | HALVES | TOWERS | PARALLEL).items()])
def test_a_type_is_taken_apart_as_its_configuration_its_calls_and_its_training_say(kind, blocks):
    assert (found(kind).outcome, found(kind).L) == ("right", blocks), found(kind).why


@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_that_cannot_be_taken_apart_is_refused_for_a_true_reason(kind):
    model = model_sweep.build(first(kind))

    with pytest.raises(BadInput, match=REFUSED[kind]):
        Anatomy.of(model)


@pytest.mark.parametrize("kind", [*REFUSED, "bert", "swin", "gemma3"])
def test_a_split_that_is_printed_can_be_run_and_has_the_configured_depth(kind):
    model = model_sweep.build(first(kind))
    if call := suggestion(model):
        anatomy = eval(call, {"Anatomy": Anatomy, "model": model})

        assert sweep_checks.depth_of(model) == anatomy.L


@pytest.mark.parametrize("kind", ["bert", "swin", "xlm", "gemma3", "albert"])
def test_the_page_has_the_sweeps_row(kind):
    rows = model_sweep.table(judged(pair) for pair in model_sweep.pairs([kind]))
    page = model_sweep.PAGE.read_text(encoding="utf-8").splitlines()

    assert [row for row in page if row.startswith(f"| {kind} |")] == rows


# --- the sweep itself is not blind


class Wrong:
    """An anatomy with parts that are taken from another."""

    def __init__(self, anatomy, order):
        self.pieces, self.L, self._anatomy = anatomy.pieces, anatomy.L, anatomy
        names = {f"block {old}": f"block {new}" for old, new in enumerate(order)}
        self.pieces = [
            type(one)(names.get(one.component, one.component), one.path, one.why, one.parameters) for one in self.pieces
        ]


def test_the_sweep_sees_blocks_in_another_order():
    model = model_sweep.build(first("bert"))
    anatomy = Wrong(Anatomy.of(model), [1, 0, 2, 3])

    assert sweep_checks.wrong_with(model, anatomy, model_sweep.inputs_for(model, "CAUSAL_LM")) == (
        "the blocks run in another order"
    )


def test_the_sweep_sees_another_depth():
    model = model_sweep.build(first("bert"))
    model.config.num_hidden_layers = 12

    assert sweep_checks.wrong_with(model, Wrong(Anatomy.split(model, **halves(model)), range(4)), {}) == (
        "L = 4, and the configuration says 12"
    )


def test_the_sweep_sees_what_moves_while_it_is_frozen():
    model = model_sweep.build(first("gpt2"))
    anatomy = Anatomy.of(model)
    bias = model.transformer.h[0].ln_1.bias
    model.transformer.h[3].register_forward_hook(lambda *_: setattr(bias, "data", bias.data + 1))

    assert "moves while it is frozen" in sweep_checks.wrong_with(
        model, anatomy, model_sweep.inputs_for(model, "CAUSAL_LM")
    )


def halves(model):
    """A split of a BERT by hand."""
    paths = [f"bert.encoder.layer.{number}" for number in range(4)]
    return {"embeddings": ["bert.embeddings"], "blocks": paths, "head": ["cls"]}
