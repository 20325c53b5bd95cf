"""The frozen-prefix cache gives what running the frozen blocks gives, but for their dropout."""

import copy
import dataclasses
import errno

import pytest
import torch

from progbench import Anatomy, apply_tuning
from progbench.errors import BadInput
from progbench.judging.caveats import caveats
from progbench.method import schedule
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.runs.results import RunResult
from progbench.training import fitting, packing, train
from progbench.training.prefix import PrefixCache

LENGTHS = [3, 9, 5, 5, 12, 3, 7, 8]


def made(name="tiny-bert", tuning="lora"):
    torch.manual_seed(0)
    model = loading.build(spec(name), 2).double()
    apply_tuning(model, tuning)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model, packing.pack(model)


def rows():
    generator = torch.Generator().manual_seed(0)
    return [
        {"input_ids": torch.randint(5, 200, (length,), generator=generator).tolist(), "labels": length % 2}
        for length in LENGTHS
    ]


def fed(source, packed):
    """Batches of the rows in one order, after a look at what is frozen."""

    def batches():
        if isinstance(source, PrefixCache):
            source.refresh()
        return [packed([source[i] for i in chosen]) for chosen in ([7, 0, 2], [4, 1, 3], [5, 6])]

    return batches


@pytest.mark.parametrize("make", [schedule.shrinking, schedule.growing, schedule.constant])
@pytest.mark.parametrize("tuning", ["adapter", "lora"])
@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_without_dropout_every_parameter_ends_as_it_does_without_the_cache(smoke_recipe, tmp_path, name, tuning, make):
    stages, wanted = make(spec(name).blocks, 3), smoke_recipe(epochs=3, tuning=tuning)
    (plain, packed), (cached, _) = made(name, tuning), made(name, tuning)
    list(fitting.fit(plain, wanted, stages, fed(rows(), packed), 3))
    cache = PrefixCache(cached, rows(), LENGTHS, packed, tmp_path / "prefix")
    list(fitting.fit(cached, wanted, stages, fed(cache, packed), 3))

    for a, b in zip(plain.parameters(), cached.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_cached_step_runs_no_frozen_block(tmp_path):
    model, packed = made()
    anatomy = Anatomy.of(model, "lora")
    anatomy.freeze(schedule.Stage(range(2, 4)))
    cache = PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix")
    cache.refresh()
    ran = []
    for number, block in enumerate(model.bert.encoder.layer):
        block.intermediate.register_forward_hook(lambda *call, number=number: ran.append(number))
    model(**packed([cache[i] for i in range(3)]))

    assert ran == [2, 3]


def test_evaluation_runs_every_block(tmp_path):
    model, packed = made()
    plain = copy.deepcopy(model)
    Anatomy.of(model, "lora").freeze(schedule.Stage(range(2, 4)))
    PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix").refresh()
    batch = packed(rows())

    torch.testing.assert_close(model(**batch).logits, packing.pack(plain) and plain(**batch).logits)


def test_a_run_with_the_cache_learns_as_one_without(smoke_recipe):
    wanted = reading.read("smoke", "peft", model="tiny-bert", tuning="adapter", schedule="shrinking", task="sst2")
    cached, plain = (train.train(dataclasses.replace(wanted, prefix_cache=value), 0) for value in (True, False))

    assert cached.epochs[0].loss == plain.epochs[0].loss  # nothing is frozen yet
    assert cached.epochs[-1].loss != plain.epochs[-1].loss  # dropout in the frozen blocks is off
    assert cached.score("sst2", "accuracy") == pytest.approx(plain.score("sst2", "accuracy"), abs=8)


def test_a_run_in_bf16_fills_the_cache_in_bf16(monkeypatch):
    wanted = reading.read("smoke", "peft", model="tiny-roberta", tuning="lora", schedule="shrinking", task="sst2")
    seen, refresh = [], PrefixCache.refresh
    monkeypatch.setattr(
        PrefixCache, "refresh", lambda own: seen.append(torch.is_autocast_enabled("cpu")) or refresh(own)
    )
    train.train(dataclasses.replace(wanted, epochs=2, batch_size=100, precision="bf16", prefix_cache=True), 0)

    assert seen == [True, True]


@pytest.mark.parametrize(("file", "tuning"), [("glue", "full"), ("peft", "bitfit")])
def test_a_tuning_that_trains_embeddings_has_no_frozen_prefix_to_cache(monkeypatch, tmp_path, file, tuning):
    source = reading._folder() / "smoke" / f"{file}.toml"
    folder = tmp_path / "smoke"
    folder.mkdir()
    text = source.read_text().replace("[defaults]", '[defaults]\nprefix_cache = { value = true, source = "ours" }')
    (folder / f"{file}.toml").write_text(text)
    monkeypatch.setattr(reading, "_folder", lambda: tmp_path)

    with pytest.raises(BadInput, match=r"prefix_cache = True: allowed is true only where the tuning"):
        reading.read("smoke", file, model="tiny-bert", tuning=tuning, schedule="shrinking", task="sst2")


def test_a_score_made_with_the_cache_says_so(smoke_recipe):
    wanted = smoke_recipe(tuning="lora", prefix_cache=True)

    assert caveats("cell", {wanted: [RunResult(wanted, 0)]}) == [
        f"{wanted.id}: frozen blocks ran without dropout (prefix_cache), which can move a score"
    ]


def test_the_cache_is_another_question(smoke_recipe):
    assert smoke_recipe(prefix_cache=True).digest != smoke_recipe().digest


def test_what_is_kept_is_without_dropout(tmp_path):
    model, packed = made()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    Anatomy.of(model, "lora").freeze(schedule.Stage(range(2, 4)))
    model.train()
    cache = PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix")
    cache.refresh()
    model.eval()
    wanted = model(**packed(rows()[:1]), output_hidden_states=True).hidden_states[2][0]

    torch.testing.assert_close(cache[0]["prefix"], wanted.detach())


def test_a_disk_too_full_for_the_cache_is_said_before_it_is_written(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    model, packed = made()
    Anatomy.of(model, "lora").freeze(schedule.Stage(range(2, 4)))
    cache = PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix")

    with pytest.raises(BadInput, match=r"no room for 0\.0 GiB .* \(No space left on device\); point TMPDIR"):
        cache.refresh()


def test_a_model_that_breaks_while_the_cache_is_filled_trains_and_runs_through_as_before(tmp_path):
    model, packed = made()
    Anatomy.of(model, "lora").freeze(schedule.Stage(range(2, 4)))
    model.train()
    cache = PrefixCache(model, [{"input_ids": [10**6], "labels": 0}], [1], packed, tmp_path / "prefix")
    with pytest.raises(IndexError):
        cache.refresh()

    assert model.training
    assert model(**packed(rows())).logits.shape == (len(LENGTHS), 2)


def test_where_more_is_frozen_only_what_is_new_runs_and_where_less_is_all_of_it(tmp_path):
    model, packed = made()
    anatomy = Anatomy.of(model, "lora")
    cache = PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix")
    ran = []
    for number, block in enumerate(model.bert.encoder.layer):
        block.intermediate.register_forward_hook(lambda *call, number=number: ran.append(number))
    seen = []
    for frozen in (1, 3, 2):
        anatomy.freeze(schedule.Stage(range(frozen, 4)))
        ran.clear()
        cache.refresh()
        seen.append(sorted(set(ran)))

    assert seen == [[0], [1, 2], [0, 1]]


def test_a_cache_that_could_not_be_filled_further_begins_anew(tmp_path, monkeypatch):
    model, packed = made()
    anatomy = Anatomy.of(model, "lora")
    cache = PrefixCache(model, rows(), LENGTHS, packed, tmp_path / "prefix")
    anatomy.freeze(schedule.Stage(range(1, 4)))
    cache.refresh()
    anatomy.freeze(schedule.Stage(range(2, 4)))
    monkeypatch.setattr("progbench.training.prefix.by_length", lambda lengths: [[i] for i in range(len(lengths))])
    with monkeypatch.context() as broken:
        batches = map(packed, [rows()[:1], rows()[1:2]])
        broken.setattr(cache, "collate", lambda chosen: next(batches))
        with pytest.raises(StopIteration):
            cache.refresh()
    model.eval()
    wanted = model(**packed(rows()[:1]), output_hidden_states=True).hidden_states[2][0]
    cache.refresh()

    torch.testing.assert_close(cache[0]["prefix"], wanted.detach())
