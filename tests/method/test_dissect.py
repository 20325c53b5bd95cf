"""Any transformer taken apart by rules: which module lands in which part, and what is refused."""

import accelerate
import peft
import pytest
import tiny
import torch
import transformers
from pieces import parts
from torch import nn

from progbench import Anatomy
from progbench.errors import BadInput
from progbench.method.choice import suggestion


@pytest.mark.parametrize("name", tiny.MODELS)
def test_every_parameter_of_every_architecture_is_in_exactly_one_part(name):
    model = tiny.model(name)
    anatomy = Anatomy.of(model)

    assert sorted(map(id, anatomy.parameters())) == sorted(map(id, model.parameters()))
    assert anatomy.L == tiny.BLOCKS


# E and H as the papers of these models and their forward passes have them
PARTS = {
    "DistilBERT": ({"distilbert.embeddings"}, {"pre_classifier", "classifier"}),
    "ELECTRA": ({"electra.embeddings", "electra.embeddings_project"}, {"classifier"}),
    "DeBERTa-v2/v3": (
        {"deberta.embeddings", "deberta.encoder.rel_embeddings", "deberta.encoder.LayerNorm", "deberta.encoder.conv"},
        {"pooler", "classifier"},
    ),
    "MPNet": ({"mpnet.embeddings", "mpnet.encoder.relative_attention_bias"}, {"classifier"}),
    "ModernBERT": ({"model.embeddings"}, {"model.final_norm", "head", "classifier"}),
    "GPT-2": ({"transformer.wte", "transformer.wpe"}, {"transformer.ln_f", "lm_head"}),
    "Llama": ({"model.embed_tokens"}, {"model.norm", "lm_head"}),
    "OPT": (
        {"model.decoder.embed_tokens", "model.decoder.embed_positions", "model.decoder.project_in"},
        {"model.decoder.project_out", "model.decoder.final_layer_norm", "lm_head"},
    ),
    "ViT": ({"vit.embeddings"}, {"vit.layernorm", "classifier"}),
    "Wav2Vec2": (
        {f"wav2vec2.{part}" for part in (
            "feature_extractor", "feature_projection", "encoder.pos_conv_embed", "encoder.layer_norm")},
        {"projector", "classifier"},
    ),
    "CLIP's text tower": ({"tower.embeddings"}, {"tower.final_layer_norm", "classifier"}),
    "BART": (
        {"model.shared", *(f"model.{half}.{part}" for half in ("encoder", "decoder") for part in (
            "embed_tokens", "embed_positions", "layernorm_embedding"))},
        {"lm_head"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_what_reads_the_input_is_e_and_what_reads_the_last_block_is_h(name):
    assert parts(tiny.model(name)) == list(PARTS[name])


def test_the_norm_behind_wav2vec2s_blocks_is_h_although_it_is_registered_before_them():
    embeddings, head = parts(tiny.model("Wav2Vec2, stable layer norm"))

    assert "wav2vec2.encoder.layer_norm" in head - embeddings


def test_t5s_position_bias_is_e_although_its_first_blocks_hold_it():
    model = tiny.model("T5")
    embeddings, _ = parts(model)
    bias = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight

    assert {f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias" for half in ("encoder", "decoder")} < (
        embeddings
    )
    assert all(bias is not parameter for parameter in Anatomy.of(model).blocks[0])


def test_a_position_bias_that_every_block_has_for_itself_stays_in_its_block():
    model = transformers.UMT5EncoderModel(
        transformers.UMT5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    )
    biases = [block.layer[0].SelfAttention.relative_attention_bias.weight for block in model.encoder.block]

    assert all(any(bias is p for p in Anatomy.of(model).blocks[number]) for number, bias in enumerate(biases))


def test_the_blocks_of_an_encoder_come_before_those_of_its_decoder():
    model = tiny.model("T5")
    blocks = Anatomy.of(model).blocks

    assert [block[0] for block in blocks] == [
        next(block.parameters()) for half in (model.encoder, model.decoder) for block in half.block
    ]


def test_what_forward_uses_before_the_blocks_is_e_whatever_was_registered_first():
    model = Own()
    model.words = model._modules.pop("words")

    assert list(model._modules) == ["body", "out", "words"]
    assert parts(model) == [{"words"}, {"out"}]


def test_bare_parameters_of_the_base_model_are_e():
    model = tiny.model("GPT-2")
    model.transformer.register_parameter("prompt", nn.Parameter(torch.zeros(3)))

    assert "transformer.prompt" in parts(model)[0]


def test_a_model_of_several_blocks_is_no_single_block():
    with pytest.raises(BadInput, match=r"as a single block: .* transformer\.h holds 4 blocks; name each of them"):
        Anatomy.split(tiny.model("GPT-2"), embeddings=[], blocks=["transformer"], head=[])


def test_a_list_beside_the_stack_that_may_belong_to_the_blocks_is_refused():
    model = tiny.model("GPT-2")
    model.transformer.gates = nn.ModuleList(nn.Linear(2, 2) for _ in range(tiny.BLOCKS))

    with pytest.raises(BadInput, match=r"transformer\.gates is a list as long as the blocks"):
        Anatomy.of(model)


class Zipped(nn.Module):
    """Each block runs with the member of another list that has its number."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 8)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 8) for _ in range(3))
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(3))
        self.out = nn.Linear(8, 2)

    def forward(self, ids):
        hidden = self.words(ids)
        for layer, mlp in zip(self.layers, self.mlps, strict=True):
            hidden = layer(hidden) + mlp(hidden)
        return self.out(hidden)


def test_a_list_that_runs_member_by_member_with_the_blocks_is_refused():
    with pytest.raises(BadInput, match=r"mlps is a list as long as the blocks"):
        Anatomy.of(Zipped())


class Own(nn.Module):
    """A model of one's own, of torch's modules alone."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 8)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), 3, enable_nested_tensor=False)
        self.out = nn.Linear(8, 2)

    def forward(self, ids):
        return self.out(self.body(self.words(ids)))


def test_a_model_of_torchs_own_modules_is_taken_apart_too():
    assert parts(Own()) == [{"words"}, {"out"}]
    assert Anatomy.of(Own()).L == 3


def plain():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))


@pytest.mark.parametrize("name", ["own", "plain", "MPNet", "OPT"])
def test_the_split_that_errors_print_can_be_run_as_it_is(name):
    model = {"own": Own, "plain": plain}.get(name, lambda: tiny.model(name))()
    anatomy = eval(suggestion(model), {"Anatomy": Anatomy, "model": model})

    assert sorted(map(id, anatomy.parameters())) == sorted(map(id, model.parameters()))


def test_an_error_prints_the_split_to_copy():
    with pytest.raises(BadInput, match=r'split\(model, embeddings=\["0"\], blocks=\["1"\], head=\["2"\]\)'):
        Anatomy.of(plain())


def test_a_path_that_is_not_there_is_refused_by_name():
    with pytest.raises(BadInput, match="GPT2LMHeadModel has no module and no parameter 'wte'"):
        Anatomy.split(tiny.model("GPT-2"), embeddings="wte", blocks=[], head=[])


def test_printing_shows_sizes_paths_and_the_rule_that_chose_them():
    """By hand, hidden 16: E 60 * 16 words, 512 * 16 positions, a norm of 32, and 32 biases for 2 heads."""
    lines = str(Anatomy.of(tiny.model("MPNet"))).splitlines()

    assert lines[1] == (
        f"E      {60 * 16 + 512 * 16 + 32 + 64:,}  mpnet.embeddings (before the blocks); "
        "mpnet.encoder.relative_attention_bias (one position bias for all blocks)"
    )
    assert lines[2].startswith("B1-B4  ")
    assert lines[3].endswith("classifier (outside the base model)")


# --- wrappers


class Sentences(nn.Sequential):
    """How sentence-transformers keeps a model: modules in a row, the first with the transformer in `auto_model`."""

    def __init__(self, transformer):
        first = nn.Module()
        first.auto_model = transformer
        super().__init__(first, nn.Linear(16, 16))


def test_a_sentence_transformer_is_opened_and_what_follows_the_transformer_is_h():
    model = Sentences(tiny.model("MPNet").mpnet)
    embeddings, head = parts(model)

    assert embeddings == {"0.auto_model.embeddings", "0.auto_model.encoder.relative_attention_bias"}
    assert head == {"1"}


def test_a_bare_parameter_that_a_rule_knows_is_e():
    model = transformers.Wav2Vec2Model(tiny.MODELS["Wav2Vec2"][0]())
    model.masked_spec_embed = nn.Parameter(torch.zeros(16))

    assert "masked_spec_embed" in parts(model)[0]


def both(model):
    return torch.compile(nn.DataParallel(model))


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, both])
def test_a_wrapped_model_is_opened(wrap):
    model = tiny.model("BERT")

    assert list(map(id, Anatomy.of(wrap(model)).parameters())) == list(map(id, Anatomy.of(model).parameters()))


def test_what_accelerate_prepared_is_opened():
    model = accelerate.Accelerator(cpu=True).prepare(tiny.model("BERT"))

    assert Anatomy.of(model).L == tiny.BLOCKS


class FullyShardedDataParallel(nn.Module):
    """By name alone: the real one needs a group of processes."""


def test_fsdp_is_refused():
    model = FullyShardedDataParallel()
    model.module = tiny.model("BERT")

    with pytest.raises(BadInput, match="is sharded by FSDP"):
        Anatomy.of(model)


def lora(**options):
    model = tiny.model("BERT")
    configuration = peft.LoraConfig(r=2, target_modules=["query"], **options)
    return peft.get_peft_model(model, configuration)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_in_a_peft_model_the_parts_hold_what_trains_there():
    anatomy = Anatomy.of(lora())

    assert [sum(p.numel() for p in block) for block in anatomy.blocks] == [2 * 2 * 16] * 4
    assert not anatomy.embeddings
    assert len(anatomy.frozen) == len(list(tiny.model("BERT").parameters()))
