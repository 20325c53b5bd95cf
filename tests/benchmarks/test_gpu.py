"""gpu-check and the speed of a GPU, tried on a CPU with tiny models: each check can pass, fail and be skipped."""

import doctest
import functools
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from progbench.method.schedule import Stage
from progbench.models import spec as specs
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog, toy
from progbench.training import fitting, graph, packed_seeds, side_by_side, text_groups
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.step import Step

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import gpu_check
import gpu_checks
import gpu_hours
import gpu_machine
import gpu_promises
import gpu_speed
import gpu_stand_in
import test_speed

pytestmark = pytest.mark.usefixtures("few_texts")
MACHINE = gpu_machine.Machine("cpu")
seen = PackedSeeds.seen
RIGHT = [name for name in gpu_checks.CHECKS if not name.startswith("h")]


@pytest.fixture(scope="module")
def few_texts(tmp_path_factory):
    """Few generated texts in small batches: eight steps in each of the two stages, where a GPU has twenty.

    They are replayed from a stage's second step on, as all have one form. Models have two blocks, of which one freezes.
    """
    folder, wanted = tmp_path_factory.mktemp("few"), gpu_machine.recipe
    with pytest.MonkeyPatch.context() as patch:
        for part, rows in (("train", 40), ("evaluate", 10)):
            patch.setitem(toy.SIZES, part, rows)
        toy.write(folder)
        patch.setitem(catalog._GENERATED, "GLUE_DIR", lambda: folder)
        patch.setattr(gpu_checks, "recipe", lambda *given, **changes: replace(wanted(*given, **changes), batch_size=5))
        patch.setattr(gpu_checks, "going_on", functools.partial(gpu_checks.going_on, step=12))
        patch.setattr(graph, "WARM_UP", 1)
        patch.setattr(packed_seeds, "in_bins", lambda lengths, _: text_groups.in_bins(lengths, (128,)))
        shallow = {name: replace(spec(name), blocks=2) for name in ("tiny-roberta", "tiny-mpnet")}
        all_of_them = specs.specs() | shallow
        patch.setattr(specs, "specs", lambda: all_of_them)
        yield


@pytest.mark.parametrize("name", RIGHT)
def test_each_check_passes_on_a_cpu(name):
    found = gpu_check.checked(name, lambda: gpu_checks.CHECKS[name](MACHINE))

    assert found.outcome == "ok", found.words


def test_every_suite_has_a_model_whose_steps_can_be_measured():
    assert set(test_speed.MODELS) == set(reading.suites())


def number_of(name):
    return gpu_checks.CHECKS[name](MACHINE)[:2]


@pytest.mark.parametrize("name", ["a graph against eager", "b the learning rate of a replay"])
def test_a_learning_rate_that_is_part_of_the_recording_is_found(monkeypatch, name):
    """A number of Python's stays that of the capture: no rate moves on in the replays, and all of them go wrong."""
    build = fitting.build_optimizer
    for module in (fitting, gpu_machine):
        monkeypatch.setattr(module, "build_optimizer", lambda *given: build(*given[:3]))  # without what holds it
    found = found_of(name)

    assert (found.outcome, found.number is None) == ("FAILED", False), found.words  # by its number, and no exception


def test_a_step_that_is_never_replayed_is_found(monkeypatch):
    def refuse(self, function):
        raise RuntimeError("not while capturing")

    monkeypatch.setattr(gpu_stand_in.StandIn, "capture", refuse)
    words = [found_of(name).words for name in ("d side", "m a constant")]

    assert words == ["NotReplayed: steps were not captured as a graph: not while capturing"] * 2


@pytest.fixture
def alike(monkeypatch):
    """Runs that are as they should be, of which a check looks at the losses."""
    monkeypatch.setattr(gpu_machine.Machine, "losses", lambda *given, **options: {"losses": torch.ones(4, 3)})


@pytest.mark.usefixtures("alike")
def test_dropout_of_another_share_is_found(monkeypatch):
    drop = torch.nn.functional.dropout
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, p, *rest: drop(x, p + 0.01 * (x.ndim == 2), *rest))

    assert found_of("c dropout").outcome == "FAILED"


def test_attention_that_reads_beyond_its_text_is_found(monkeypatch):
    monkeypatch.setattr(PackedSeeds, "seen", lambda self, number: torch.ones_like(seen(self, number)))

    assert found_of("j attention against others").outcome == "FAILED"


def found_of(beginning):
    check = next(check for name, check in gpu_checks.CHECKS.items() if name.startswith(beginning))
    return gpu_check.checked(beginning, lambda: check(MACHINE))


@pytest.mark.parametrize(
    ("outcomes", "device", "said"),
    [
        (("ok", "ok", "ok"), "cuda", "confirmed: a replayed step computes"),
        (("ok", "ok", "ok"), "cpu", "open: a replayed step computes"),
        (("ok", "FAILED", "ok"), "cuda", "broken: a replayed step computes"),
        (("ok", "skipped"), "cuda", "open: a replayed step computes"),
    ],
)
def test_a_promise_is_confirmed_by_a_card_alone_and_by_all_of_its_checks(outcomes, device, said):
    checks = next(iter(gpu_promises.PROMISES.values()))

    assert gpu_promises.confirmed(dict(zip(checks, outcomes, strict=False)), device)[0].startswith(said)


def test_every_check_confirms_a_promise_and_every_promise_has_checks():
    assert {name for checks in gpu_promises.PROMISES.values() for name in checks} == {*gpu_checks.CHECKS}


def test_what_is_left_when_the_time_is_over_is_skipped(capsys):
    assert gpu_check.main(["--device", "cpu", "--only", "j att", "--minutes", "0"]) == 0
    assert capsys.readouterr().out.count("skipped") == 2


def test_rows_that_mix_are_found(monkeypatch):
    forward = side_by_side.StackedLinear.forward
    monkeypatch.setattr(side_by_side.StackedLinear, "forward", lambda self, x: forward(self, x + x.roll(1, 0)))
    number, most = number_of("d side by side against alone")

    assert number > most


def test_a_frozen_tensor_that_moves_is_found(monkeypatch):
    def careless(self, batch):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.add_(1e-6)
        return step(self, batch)

    step = Step.__call__
    monkeypatch.setattr(Step, "__call__", careless)
    number, most = number_of("e frozen parameters")

    assert number > most


def test_a_broken_seed_that_breaks_the_others_is_found(monkeypatch):
    losses = side_by_side.StackedSeeds.losses

    def spread(self, model, batch):
        found = losses(self, model, batch)
        return found if found.isfinite().all() else found * math.nan

    monkeypatch.setattr(side_by_side.StackedSeeds, "losses", spread)
    found = gpu_check.checked("f", lambda: gpu_checks.CHECKS["f nan in one row"](MACHINE))

    assert found.outcome == "FAILED"


@pytest.mark.usefixtures("alike")
def test_dropout_that_repeats_itself_is_found(monkeypatch):
    run = graph.Replayed.__call__

    def seeded(self, batch):
        torch.manual_seed(0)
        return run(self, batch)

    monkeypatch.setattr(graph.Replayed, "__call__", seeded)
    number, most = number_of("c dropout")

    assert number > most


def test_a_run_that_goes_on_with_other_dropout_is_found(monkeypatch):
    monkeypatch.setattr(torch, "set_rng_state", lambda state: None)
    number, most = number_of("l going on from a checkpoint")

    assert number > most


def test_an_exception_is_a_failure_with_its_words():
    found = gpu_check.checked("x", lambda: 1 / 0)

    assert (found.outcome, found.number, found.words) == ("FAILED", None, "ZeroDivisionError: division by zero")


def test_real_runs_are_skipped_on_a_cpu_and_say_why():
    found = gpu_check.checked("h", lambda: gpu_checks.real_run(MACHINE, "rte", "constant"))

    assert (found.outcome, found.words) == ("skipped", "ten real runs take a GPU a minute and a CPU an hour")


def test_the_command_writes_what_it_found_and_ends_with_0(tmp_path, capsys):
    code = gpu_check.main(["--device", "cpu", "--only", "j att", "--out", str(tmp_path)])
    content = json.loads((tmp_path / "gpu-check.json").read_text())

    assert code == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 checks: 0 failed"
    assert [one["outcome"] for one in content["checks"]] == ["ok"] * 2


def test_the_command_ends_with_1_and_names_what_failed(monkeypatch, capsys):
    monkeypatch.setitem(gpu_checks.CHECKS, "g out of memory", lambda machine: (1.0, 0.0, "seeds [] were trained"))
    code = gpu_check.main(["--device", "cpu", "--only", "g out"])

    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 checks: 1 failed: g out of memory"


def test_a_check_that_there_is_not_is_a_usage_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        gpu_check.main(["--device", "cpu", "--only", "zzz"])

    assert "no check has that in its name; there are: a graph against eager" in capsys.readouterr().err


def test_a_gpu_that_is_asked_for_and_not_there_is_a_usage_error(capsys):
    assert gpu_check.main(["--device", "cuda"]) == 2
    assert capsys.readouterr().err == "gpu-check: no GPU that torch can use\n"


@pytest.mark.parametrize("module", [gpu_check, gpu_checks, gpu_hours, gpu_promises, gpu_speed])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("tuning", "task"), [("full", "sst2"), ("lora", "squad1")])
def test_a_shapes_steps_are_timed_and_their_cost_is_that_of_their_texts(tuning, task):
    shape = gpu_speed.Shape(spec("tiny-bert"), tuning, task, 4, "fp32")
    taken = gpu_speed.SeedsTogether(shape, 2, "cpu").take(Stage(range(4)), steps=2)

    assert taken.seconds > 0
    assert taken.flops > 0
    assert taken.captured > 0
    assert taken.refused == ""


def test_the_grid_is_as_many_steps_as_its_recipes_have():
    # 31,638,890 of Tables 1, 2 and 4, 31,998,000 with Figure 1 and Table 5: worked out in tests/docs
    hours = gpu_hours.hours(lambda recipe: 3600.0)

    assert round(sum(hours[table] for table in ("table1", "table2", "table4"))) == 31_638_890


def record(model, tuning, task):
    return {"model": model, "tuning": tuning, "task": task, "batch": 32, "precision": "tf32", "seeds": 5,
            "milliseconds": 3.6}  # fmt: skip


BODIES = [("bert-base", "full"), ("bert-large", "full"), ("bert-base", "lora")]


def test_hours_follow_from_the_measured_steps():
    found = [record(*body, task) for body in BODIES for task in ("sst2", "mnli")]

    assert sum(gpu_hours.projected(found).values()) == pytest.approx(sum(gpu_hours.hours(lambda _: 0.0036).values()))


def test_from_one_task_of_a_model_no_hours_are_projected():
    assert gpu_hours.projected([record(*body, "sst2") for body in BODIES]) == {}
