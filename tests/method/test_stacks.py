"""Models of several lists of blocks taken apart: stages, halves, towers, and lists that were cut."""

import pytest
import tiny
import torch
import transformers
from pieces import parts, paths
from torch import nn

from progbench import Anatomy
from progbench.errors import BadInput


def test_albert_is_refused_since_one_block_serves_all_its_layers():
    model = transformers.AlbertModel(transformers.AlbertConfig(**tiny.SIZE, embedding_size=8))

    with pytest.raises(BadInput, match="parameters of one shared block, so no schedule can divide them"):
        Anatomy.of(model)


def test_two_towers_side_by_side_are_refused():
    text, image = {**tiny.SIZE, "num_hidden_layers": 2}, {**tiny.IMAGE, "num_hidden_layers": 2, "hidden_size": 16}
    image |= {"intermediate_size": 32, "num_attention_heads": 2}
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=image))

    with pytest.raises(BadInput, match=r"has 2 stacks of blocks .*; choose its list of blocks"):
        Anatomy.of(model)
    assert Anatomy.of(model, blocks="text_model.encoder.layers").L == 2


def test_stages_of_blocks_are_one_row_and_what_closes_a_stage_goes_with_its_last_block():
    configuration = transformers.SwinConfig(image_size=16, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 2])
    anatomy = Anatomy.of(transformers.SwinModel(configuration))

    assert anatomy.L == 4
    assert paths(anatomy, 1) == ["encoder.layers.0.blocks.1", "encoder.layers.0.downsample"]
    assert paths(anatomy, 2) == ["encoder.layers.1.blocks.0"]


def test_what_opens_a_stage_goes_with_its_first_block_and_what_opens_the_first_is_e():
    configuration = transformers.PvtConfig(image_size=64, depths=[1, 2, 1, 1], hidden_sizes=[8, 16, 16, 16])
    configuration.num_attention_heads = [1, 2, 2, 2]
    anatomy = Anatomy.of(transformers.PvtModel(configuration))

    assert paths(anatomy, 1) == ["encoder.patch_embeddings.1", "encoder.block.1.0"]
    assert [piece.path for piece in anatomy.pieces if piece.component == "embeddings"] == ["encoder.patch_embeddings.0"]


def test_parallel_lists_make_block_i_of_their_members_i():
    configuration = transformers.XLMConfig(vocab_size=60, emb_dim=16, n_layers=2, n_heads=2)
    anatomy = Anatomy.of(transformers.XLMModel(configuration))

    assert anatomy.L == 2
    assert paths(anatomy, 1) == ["attentions.1", "layer_norm1.1", "ffns.1", "layer_norm2.1"]
    assert "attentions.1, layer_norm1.1, ffns.1, layer_norm2.1" in str(anatomy)


@pytest.mark.parametrize(("once", "wanted"), [(1, 2), (2, None)])
def test_blocks_that_run_several_times_are_refused(once, wanted):
    configuration = transformers.PerceiverConfig(
        d_latents=16, d_model=16, num_self_attends_per_block=2, num_blocks=once, num_latents=4,
        num_self_attention_heads=2, num_cross_attention_heads=2, vocab_size=60, max_position_embeddings=32,
    )  # fmt: skip
    model = transformers.PerceiverForSequenceClassification(configuration)
    if wanted:
        assert wanted == Anatomy.of(model).L
        return
    with pytest.raises(BadInput, match=r"its blocks run several times in a step \(num_blocks=2\)"):
        Anatomy.of(model)


def cut(model, path, blocks):
    """Blocks taken out of a list; the configuration still has them."""
    model.set_submodule(path, model.get_submodule(path)[:blocks])
    return model


def test_of_a_model_that_blocks_were_taken_from_those_that_are_there_are_taken_and_it_is_said():
    anatomy = Anatomy.of(cut(tiny.model("GPT-2"), "transformer.h", 3))

    assert anatomy.L == 3
    assert "each: transformer.h.0 to transformer.h.2 (3 here, 4 in the configuration)" in str(anatomy)


@pytest.mark.parametrize(("half", "blocks"), [("encoder", 1), ("decoder", 1)])
def test_a_half_that_blocks_were_taken_from_is_neither_e_nor_h(half, blocks):
    anatomy = Anatomy.of(cut(tiny.model("BART"), f"model.{half}.layers", blocks))

    assert 2 + blocks == anatomy.L
    assert parts(tiny.model("BART")) == [
        {piece.path for piece in anatomy.pieces if piece.component == component} for component in ("embeddings", "head")
    ]


def test_parallel_lists_of_which_one_was_cut_are_refused():
    model = transformers.XLMModel(transformers.XLMConfig(vocab_size=60, emb_dim=16, n_layers=3, n_heads=2))

    with pytest.raises(BadInput, match=r"has 3 stacks of blocks \(layer_norm1, ffns, layer_norm2\)"):
        Anatomy.of(cut(model, "attentions", 2))


def hybrid():
    """Blocks of two classes, one of three attends; those of a list beside them are alike."""
    model = tiny.model("GPT-2")
    beside = model.transformer.h[:2]
    model.transformer.h = nn.ModuleList([nn.Linear(16, 16), model.transformer.h[2], nn.Linear(16, 16)])
    return model, beside


def test_a_hybrid_that_blocks_were_taken_from_is_refused_with_what_to_do():
    model, beside = hybrid()

    with pytest.raises(BadInput, match=r"no list of 4 blocks.*nor exactly one of like.*configuration can say so$"):
        Anatomy.of(model)
    assert Anatomy.of(model, blocks="transformer.h").L == 3
    model.transformer.ahead = beside
    with pytest.raises(BadInput, match=r"transformer\.h is a list with attentions, so its members may belong"):
        Anatomy.of(model)


def test_blocks_are_told_from_as_many_convolutions_by_their_attentions():
    sizes = {"conv_dim": (8,) * 4, "conv_stride": (2,) * 4, "conv_kernel": (4,) * 4, "num_feat_extract_layers": 4}
    configuration = tiny.MODELS["Wav2Vec2"][0]()
    configuration.update(sizes)
    model = transformers.AutoModelForAudioClassification.from_config(configuration)

    assert len(model.wav2vec2.feature_extractor.conv_layers) == 4
    assert parts(model) == parts(tiny.model("Wav2Vec2"))


def test_a_list_of_modules_that_blocks_may_use_one_each_is_refused_also_in_a_module_of_its_own():
    model = tiny.model("GPT-2")
    model.transformer.extra = nn.Module()
    model.transformer.extra.gates = nn.ModuleList(nn.Linear(2, 2) for _ in range(tiny.BLOCKS))

    with pytest.raises(BadInput, match=r"transformer\.extra\.gates is a list of blocks too"):
        Anatomy.of(model)


def halves():
    return [transformers.BertConfig(**{**tiny.SIZE, "num_hidden_layers": number}) for number in (2, 3)]


def test_two_berts_as_encoder_and_decoder_are_told_by_their_names():
    configuration = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*halves())
    anatomy = Anatomy.of(transformers.EncoderDecoderModel(configuration))

    assert anatomy.L == 5
    assert [*paths(anatomy, 1), *paths(anatomy, 2)] == ["encoder.encoder.layer.1", "decoder.bert.encoder.layer.0"]


def test_an_image_or_a_sound_may_stand_before_a_text_decoder():
    image = transformers.ViTConfig(**{**tiny.IMAGE, "num_hidden_layers": 2})
    configuration = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(image, halves()[1])
    assert Anatomy.of(transformers.VisionEncoderDecoderModel(configuration)).L == 5

    sound = tiny.MODELS["Wav2Vec2"][0]()
    configuration = transformers.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(sound, halves()[1])
    assert Anatomy.of(transformers.SpeechEncoderDecoderModel(configuration)).L == 7


def test_a_decoder_that_was_registered_first_is_printed_behind_its_encoder():
    model = tiny.model("BART")
    model.model.encoder = model.model._modules.pop("encoder")  # as PP-FormulaNet has them
    rows = str(Anatomy.of(model)).splitlines()[2:4]

    assert [row.partition("each: ")[2].partition(" ")[0] for row in rows] == [
        "model.encoder.layers.0", "model.decoder.layers.0",
    ]  # fmt: skip


def gemma():
    """Two blocks of text behind a tower of three."""
    text = transformers.Gemma3TextConfig(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    )  # fmt: skip
    vision = transformers.SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=8, patch_size=4
    )
    configuration = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(configuration)


def test_a_language_model_with_a_tower_has_the_blocks_of_its_text_model_and_says_so():
    anatomy = Anatomy.of(gemma())

    assert anatomy.L == 2
    assert paths(anatomy, 0) == ["model.language_model.layers.0"]
    assert "model.vision_tower (a tower before the blocks)" in str(anatomy)


def test_a_tower_that_blocks_were_taken_from_is_one_still():
    model = gemma()
    del model.model.vision_tower.encoder.layers[1]

    assert paths(Anatomy.of(model), 0) == ["model.language_model.layers.0"]


def test_a_tower_is_not_taken_for_the_blocks_where_the_language_model_has_one():
    model = gemma()
    del model.model.language_model.layers[1]

    with pytest.raises(BadInput, match=r"model\.language_model\.layers is a list of blocks too") as refused:
        Anatomy.of(model)
    assert 'Anatomy.split(model, embeddings=["' not in str(refused.value)  # a split to copy would be wrong, too


def test_another_list_of_blocks_may_be_chosen():
    anatomy = Anatomy.of(gemma(), blocks="model.vision_tower.encoder.layers")

    assert anatomy.L == 3
    assert any(piece.path == "model.language_model" for piece in anatomy.pieces if piece.component != "block 0")


@pytest.mark.parametrize("path", ["model.vision_tower", "nowhere"])
def test_what_is_chosen_must_be_a_list(path):
    with pytest.raises(BadInput, match=f"has no list of modules '{path}'"):
        Anatomy.of(gemma(), blocks=path)


def test_the_language_model_is_the_blocks_also_where_no_two_of_its_members_are_alike():
    """Qwen3.5 mixes linear and full attention; its images' tower was once taken for the blocks."""
    configuration = transformers.Qwen3_5Config()
    with torch.device("meta"):
        anatomy = Anatomy.of(transformers.AutoModelForSequenceClassification.from_config(configuration))

    assert configuration.text_config.num_hidden_layers == anatomy.L
    assert paths(anatomy, 0) == ["model.language_model.layers.0"]
