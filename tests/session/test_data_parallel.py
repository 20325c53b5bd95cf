"""`--data-parallel`: each run is trained by several processes together, each with a GPU of its own."""

import dataclasses
import tempfile
from types import SimpleNamespace

import pytest
import torch
from made_up import result

from progbench import cli, environment
from progbench.errors import BadInput, Missing
from progbench.judging.caveats import caveats
from progbench.judging.likeness import made_alike
from progbench.runs import ledger
from progbench.session import company, engine_ray, engine_slurm, measuring, opening, sharing
from progbench.session.making import Maker
from progbench.session.sharing import Shares
from progbench.session.submitting import Unit
from progbench.training import memory, train

RTE = "tiny-bert-constant-rte"


@pytest.fixture
def wanted(smoke_recipe):
    return smoke_recipe(schedule="constant", task="rte")


@pytest.fixture
def cards(monkeypatch):
    """Let the driver show so many GPUs."""

    def show(count):
        monkeypatch.setattr(environment, "gpu_count", lambda: count)
        monkeypatch.setattr(environment, "gpu_uuid", lambda number=0: f"card {number}")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(environment, "gpu_memory", lambda: 80 << 30)
        monkeypatch.setattr(environment, "describe", lambda *_, **__: {"device": "cuda"})

    return show


@pytest.fixture
def asked(monkeypatch):
    """The number of processes that each training is asked for."""
    found = []

    def note(recipe, seeds, device, threads, kept, processes=1):
        found.append(processes)
        return [result(recipe, seed, {"rte": {"accuracy": 0.5}}) for seed in seeds]

    monkeypatch.setattr(train, "train_together", note)
    monkeypatch.setattr(train, "train", lambda recipe, seed, *rest, **more: note(recipe, [seed], *rest, **more)[0])
    return found


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_run_is_trained_by_as_many_processes_as_were_asked_for(tmp_path, wanted, cards, asked, device):
    cards(2)
    Maker(tmp_path, range(2), device, processes=2).make([wanted])

    assert {*asked} == {2}


def test_more_processes_than_gpus_is_missing_and_nothing_is_trained(tmp_path, wanted, cards, asked, reliability):
    cards(1)
    own = Maker(tmp_path, range(1), "cuda", processes=2)
    own.make([wanted])

    assert asked == []
    with pytest.raises(Missing) as problem:
        own.require(wanted)
    assert own.runs(wanted).missing == str(problem.value)
    reliability(
        "Disks, processes and networks",
        "`--data-parallel 2` where one GPU is",
        happens=f"missing: {problem.value}",
        kept="all results; nothing is trained",
    )


def test_a_run_whose_rows_so_many_cannot_share_is_missing_and_no_error_of_its_recipe(tmp_path, wanted, asked):
    few = dataclasses.replace(wanted, batch_size=2)
    own = Maker(tmp_path, range(1), "cpu", processes=3)
    own.make([few])

    assert asked == []
    assert own.runs(few).missing == f"--data-parallel 3: the batches of {few.id} have 2 rows"
    assert list(tmp_path.rglob("*.json")) == []


def test_without_as_many_gpus_as_a_run_is_to_have_no_unit_is_started(tmp_path, cards, capsys):
    cards(1)
    asked = "submit --engine local --device cuda --data-parallel 2 --suite smoke --runs"
    code = cli.main([*asked.split(), str(tmp_path)])

    assert code == 2
    assert capsys.readouterr().err.endswith("--data-parallel 2: there are not as many GPUs here\n")


def test_what_runs_take_is_planned_by_runs_of_as_many_processes(monkeypatch, cards):
    cards(2)
    monkeypatch.setattr(environment, "gpu_name", lambda: "a card")

    assert measuring.here("cuda", 0, 2) == "2 x a card"


def test_fewer_than_one_process_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"^--data-parallel 0: at least 1$"):
        opening.opened(opening.Asked("smoke", tmp_path / "runs", data_parallel=0), tmp_path)


def test_seeds_fit_side_by_side_by_the_share_of_the_batch_that_each_process_has(wanted):
    """Of long batches; parameters are whole in each."""
    long = dataclasses.replace(wanted, batch_size=256)

    assert memory.most_together(long, 8 << 30, 2) > memory.most_together(long, 8 << 30)


def test_workers_have_as_many_gpus_as_each_run_has_processes(monkeypatch, cards):
    monkeypatch.delenv(sharing.GPU)
    cards(5)
    shares = Shares.here(2, each=2)

    assert [shares.take(worker)[sharing.GPU] for worker in "ab"] == ["0,1", "2,3"]


def test_a_unit_says_how_many_processes_train_its_runs_together(tmp_path):
    unit = Unit(RTE, (0,), "smoke", tmp_path, "cuda", 2)

    assert unit.arguments()[-4:] == ["--device", "cuda", "--data-parallel", "2"]


def test_slurm_is_asked_for_a_gpu_and_a_cpu_for_each_process(tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
    found = {}
    executor = SimpleNamespace(update_parameters=lambda **asked: found.update(asked), map_array=lambda *_: [])
    monkeypatch.setattr(submitit, "AutoExecutor", lambda *_, **__: executor)
    engine_slurm.submit([Unit(RTE, (0,), "paper", tmp_path, "cuda", 4)], "cuda", tmp_path, {})

    assert (found["gpus_per_node"], found["cpus_per_task"]) == (4, 4)


def test_ray_is_asked_for_a_gpu_and_a_cpu_for_each_process(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    found = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 8})
    monkeypatch.setattr(
        ray, "remote", lambda **asked: found.update(asked) or (lambda _: SimpleNamespace(remote=lambda *_: "task"))
    )
    monkeypatch.setattr(engine_ray, "_waited", lambda asked, say: [])
    engine_ray.run([Unit(RTE, (0,), "paper", tmp_path, "cuda", 4)], "cuda", 1, print)

    assert (found["num_gpus"], found["num_cpus"]) == (4, 4)


def test_a_run_on_two_cards_is_company_on_each_of_them(tmp_path, monkeypatch, cards):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests' runs are none of its company
    cards(2)
    with company.at("cuda", 2) as both:
        monkeypatch.setattr(environment, "gpu_uuid", lambda number=0: "card 1")
        with company.at("cuda") as second:
            assert (company.met(both), company.met(second)) == (1, 1)


def run(wanted, seed, **about):
    made = result(wanted, seed, {"rte": {"accuracy": 0.5}})
    return dataclasses.replace(made, environment={"device": "cpu", "cpu": "EPYC", "threads": 2, **about})


def test_a_cell_whose_runs_had_different_numbers_of_processes_says_so(wanted):
    found = caveats("rte", {wanted: [run(wanted, 0), run(wanted, 1, data_parallel=2)]})

    assert "rte: its runs were trained by different numbers of processes (1 and 2)" in found


def test_a_run_of_two_processes_need_not_score_what_one_scores():
    here = {"cpu": "EPYC", "device": "cpu", "threads": 2}

    assert not made_alike(here, here | {"data_parallel": 2})


def test_its_times_are_those_of_another_kind_of_machine(wanted):
    kinds = [measuring.kind_of(one.environment) for one in (run(wanted, 0), run(wanted, 1, data_parallel=2))]

    assert kinds == ["EPYC, 2 threads", "2 x EPYC, 2 threads"]


def test_the_ledger_names_the_processes(wanted):
    (one,) = ledger.entry(wanted, [run(wanted, 0, data_parallel=2)]).runs

    assert one.machine == "EPYC, 2 threads, 2 processes together"
