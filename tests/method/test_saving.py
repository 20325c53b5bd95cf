"""What `apply_tuning` added survives: saved, loaded into the pretrained model, merged."""

import json

import peft
import pytest
import tiny
import torch
import transformers

from progbench import Anatomy, apply_tuning, load_tuning, save_tuning
from progbench.errors import BadInput
from progbench.method.tuning import Adapter

TEXTS = torch.stack([row["input_ids"] for row in tiny.rows("BERT", 4)])


def trained(name, tuning, **options):
    """A model whose tuned parameters are no longer what apply_tuning drew."""
    model = tiny.model(name)
    apply_tuning(model, tuning, **options)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in Anatomy.of(model, tuning).parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.mark.parametrize("name", ["BERT", "GPT-2"])
@pytest.mark.parametrize(
    ("tuning", "options"), [("lora", {"rank": 2, "alpha": 3}), ("adapter", {"reduction": 4}), ("bitfit", {})]
)
def test_loaded_into_the_pretrained_model_it_computes_what_it_did(tmp_path, name, tuning, options):
    model, fresh = trained(name, tuning, **options), tiny.model(name).eval()
    assert not torch.equal(fresh(TEXTS).logits, model(TEXTS).logits)
    save_tuning(model, tmp_path)
    torch.manual_seed(9)  # what apply_tuning draws anew must be replaced
    load_tuning(fresh, tmp_path)

    assert torch.equal(fresh(TEXTS).logits, model(TEXTS).logits)
    assert Anatomy.of(fresh, tuning).L == tiny.BLOCKS


def test_merged_lora_is_a_plain_model_that_from_pretrained_loads(tmp_path):
    model, fresh = trained("BERT", "lora").double(), tiny.model("BERT").double().eval()
    save_tuning(model, tmp_path / "lora")
    load_tuning(fresh, tmp_path / "lora", merge=True)
    fresh.save_pretrained(tmp_path / "whole")
    again = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "whole").double().eval()

    torch.testing.assert_close(again(TEXTS).logits, model(TEXTS).logits, rtol=0, atol=1e-12)
    assert [n for n, _ in fresh.named_parameters()] == [n for n, _ in tiny.model("BERT").named_parameters()]
    assert Anatomy.of(fresh).L == tiny.BLOCKS  # it has no tuning any more


def test_merged_bitfit_is_a_plain_model(tmp_path):
    fresh = tiny.model("BERT")
    save_tuning(trained("BERT", "bitfit"), tmp_path)
    load_tuning(fresh, tmp_path, merge=True)

    assert all(parameter.requires_grad for parameter in fresh.parameters())


def test_only_what_the_tuning_trains_is_written(tmp_path):
    save_tuning(trained("BERT", "lora"), tmp_path)

    assert (tmp_path / "tuning.safetensors").stat().st_size < 24_000  # the whole model has 18,418 floats of 4 bytes


def test_adapters_are_not_merged(tmp_path):
    save_tuning(trained("BERT", "adapter"), tmp_path)

    with pytest.raises(BadInput, match="not linear, so they cannot be merged"):
        load_tuning(tiny.model("BERT"), tmp_path, merge=True)


def test_a_model_without_a_tuning_has_nothing_to_save(tmp_path):
    with pytest.raises(BadInput, match="has no tuning of apply_tuning's: save it with save_pretrained"):
        save_tuning(tiny.model("BERT"), tmp_path)


def test_a_folder_without_a_tuning_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no tuning that save_tuning wrote"):
        load_tuning(tiny.model("BERT"), tmp_path)


def test_a_tuning_of_another_model_is_refused_by_its_tensors(tmp_path):
    save_tuning(trained("BERT", "lora"), tmp_path)

    with pytest.raises(BadInput, match=r"made for BertForSequenceClassification, and does not fit this Electra.*query"):
        load_tuning(tiny.model("ELECTRA"), tmp_path)


# --- what it was trained on


@pytest.mark.parametrize("tuning", ["lora", "adapter", "bitfit"])
def test_other_weights_of_the_same_shape_are_refused(tmp_path, tuning):
    save_tuning(trained("BERT", tuning), tmp_path)

    with pytest.raises(BadInput, match=r"was trained on other weights, with the digest \w{32}, and those of this Bert"):
        load_tuning(tiny.model("BERT", seed=1), tmp_path)


def test_weights_that_were_converted_before_are_refused_by_their_type(tmp_path):
    save_tuning(trained("BERT", "lora"), tmp_path)

    with pytest.raises(
        BadInput, match=r"weights of the type torch\.float32, and .* are torch\.float64.*convert it after"
    ):
        load_tuning(tiny.model("BERT").double(), tmp_path)


def labelled(model, *labels):
    model.config.id2label = dict(enumerate(labels))
    return model


def test_labels_in_another_order_are_refused_by_name(tmp_path):
    save_tuning(labelled(trained("BERT", "lora"), "no", "yes"), tmp_path)

    with pytest.raises(BadInput, match=r"labels \{'0': 'no', '1': 'yes'\}, and this model's id2label is \{'0': 'yes'"):
        load_tuning(labelled(tiny.model("BERT"), "yes", "no"), tmp_path)


def test_a_model_without_names_for_its_labels_is_given_those_of_the_tuning(tmp_path):
    save_tuning(labelled(trained("BERT", "lora"), "no", "yes"), tmp_path)
    fresh = tiny.model("BERT")
    load_tuning(fresh, tmp_path)

    assert fresh.config.id2label == {0: "no", 1: "yes"}
    assert fresh.config.label2id == {"no": 0, "yes": 1}


def test_a_folder_of_before_the_weights_were_kept_still_loads(tmp_path):
    model, fresh = trained("BERT", "lora"), tiny.model("BERT").eval()
    save_tuning(model, tmp_path)
    described = json.loads((tmp_path / "tuning.json").read_text())
    old = {key: described[key] for key in ("model", "tuning", "options")}
    (tmp_path / "tuning.json").write_text(json.dumps(old))
    load_tuning(fresh, tmp_path)

    assert torch.equal(fresh(TEXTS).logits, model(TEXTS).logits)


class Normalised(torch.nn.Module):
    """A head with batch normalisation."""

    def __init__(self, classifier):
        super().__init__()
        self.norm, self.out = torch.nn.BatchNorm1d(16), classifier

    def forward(self, x):
        return self.out(self.norm(x))


def with_normalised_head():
    model = tiny.model("BERT")
    model.classifier = Normalised(model.classifier)
    return model


@pytest.mark.parametrize("tuning", ["lora", "bitfit"])
def test_the_statistics_of_a_heads_batch_normalisation_are_saved(tmp_path, tuning):
    model, fresh = with_normalised_head(), with_normalised_head().eval()
    apply_tuning(model, tuning)
    model.train()(TEXTS)
    save_tuning(model, tmp_path)
    load_tuning(fresh, tmp_path)

    assert float(model.classifier.norm.running_var.mean()) != 1.0
    assert torch.equal(fresh(TEXTS).logits, model.eval()(TEXTS).logits)


class Called(torch.nn.Module):
    """A model of one's own around BERT, with a head of any name."""

    def __init__(self, name):
        super().__init__()
        self.bert, self.name = tiny.model("BERT").bert, name
        setattr(self, name, torch.nn.Linear(16, 2))

    def forward(self, ids):
        return getattr(self, self.name)(self.bert(ids).last_hidden_state[:, 0])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["dense", "out", "layer"])
def test_peft_opens_lora_of_a_model_whose_head_is_called_like_a_part_of_its_blocks(tmp_path, name):
    model = Called(name).eval()
    apply_tuning(model, "lora", rank=2)
    torch.nn.init.ones_(model.bert.encoder.layer[1].attention.self.query.lora_B["default"].weight)
    save_tuning(model, tmp_path)
    fresh = Called(name).eval()

    assert torch.equal(peft.PeftModel.from_pretrained(fresh, tmp_path).eval()(TEXTS), model(TEXTS))


def test_a_head_that_peft_cannot_be_told_of_is_said_when_the_folder_is_written(tmp_path):
    model = tiny.model("BERT")
    model.scale = torch.nn.Parameter(torch.ones(1))
    apply_tuning(model, "lora")
    with pytest.warns(UserWarning, match=r"not written in peft's format, since scale is in no module that trains as a"):
        save_tuning(model, tmp_path)

    assert not (tmp_path / "adapter_config.json").exists()


# --- blocks chosen by name


TOWER = "vision_model.encoder.layers"


def two_towers():
    text, image = {**tiny.SIZE, "num_hidden_layers": 2}, {**tiny.IMAGE, "num_hidden_layers": 3, "hidden_size": 16}
    image |= {"intermediate_size": 32, "num_attention_heads": 2}
    torch.manual_seed(0)
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=image)).eval()


@pytest.mark.parametrize("tuning", ["lora", "adapter", "bitfit"])
def test_a_stack_chosen_by_its_path_is_tuned_saved_and_loaded(tmp_path, tuning):
    model, fresh = two_towers(), two_towers()
    blocks = "text_model.encoder.layers" if tuning == "adapter" else TOWER
    apply_tuning(model, tuning, blocks=blocks)
    anatomy = Anatomy.of(model, tuning)
    with torch.no_grad():
        for parameter in anatomy.parameters():
            parameter.add_(0.1)
    save_tuning(model, tmp_path)
    load_tuning(fresh, tmp_path)

    assert len(anatomy.blocks) == (2 if tuning == "adapter" else 3)
    assert all(anatomy.blocks)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))


def test_a_tuning_is_not_looked_for_in_other_blocks_than_it_was_given_to():
    model = two_towers()
    apply_tuning(model, "lora", blocks=TOWER)

    assert Anatomy.of(model, "lora", blocks=TOWER).L == 3
    with pytest.raises(BadInput, match=rf"was given its lora parameters in {TOWER}, not in text_model\.encoder"):
        Anatomy.of(model, "lora", blocks="text_model.encoder.layers")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "DistilBERT", "GPT-2", "Llama"])
def test_peft_opens_the_folder_of_lora(tmp_path, name):
    model, texts = trained(name, "lora", rank=2, alpha=3), TEXTS
    save_tuning(model, tmp_path)
    opened = peft.PeftModel.from_pretrained(tiny.model(name).eval(), tmp_path).eval()

    assert torch.equal(opened(texts).logits, model(texts).logits)
    assert not torch.equal(tiny.model(name).eval()(texts).logits, model(texts).logits)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_peft_finds_the_statistics_of_a_heads_batch_normalisation_too(tmp_path):
    model = with_normalised_head()
    apply_tuning(model, "lora")
    model.train()(TEXTS)
    save_tuning(model, tmp_path)
    opened = peft.PeftModel.from_pretrained(with_normalised_head().eval(), tmp_path).eval()

    assert torch.equal(opened(TEXTS).logits, model.eval()(TEXTS).logits)


# --- on other architectures


@pytest.mark.parametrize("name", tiny.MODELS)
def test_with_zero_up_projections_adapters_change_nothing_in_any_architecture(name):
    row = {key: value[None] for key, value in tiny.rows(name, 1)[0].items()}
    model = tiny.model(name).eval()
    before = model(**row)["loss"]
    apply_tuning(model, "adapter", reduction=4)
    adapters = [module for module in model.modules() if isinstance(module, Adapter)]
    for adapter in adapters:
        torch.nn.init.zeros_(adapter.up.weight)
    model.eval()

    assert torch.equal(model(**row)["loss"], before)
    assert len(adapters) == {"T5": 10, "BART": 10}.get(name, 8)  # two a block, three in one of a decoder


def test_loras_query_and_value_are_what_the_architecture_calls_them():
    for name, modules in (("MPNet", 2), ("ModernBERT", 1), ("GPT-2", 1), ("Llama", 2), ("DeBERTa-v2/v3", 2)):
        model = tiny.model(name)
        apply_tuning(model, "lora", rank=1)
        found = [path for path, module in model.named_modules() if hasattr(module, "lora_A")]
        assert len(found) == modules * tiny.BLOCKS, found
