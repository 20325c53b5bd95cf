"""The runs behind a report, and what a schedule costs beside constant."""

from dataclasses import replace

import pytest
from made_up import entry, result, run

from progbench.runs.ledger import costs, mean_costs
from progbench.runs.ledger import entry as entry_of
from progbench.runs.run_result import Provenance


@pytest.fixture
def listed(smoke_recipe):
    """A result as it is listed, any of its fields replaced."""

    def make(**values):
        recipe = smoke_recipe()
        made = result(recipe, 3, {"sst2": {"accuracy": 0.625}}, **values)
        (found,) = entry_of(recipe, [made]).runs
        return found

    return make


def test_a_run_is_listed_with_its_last_scores_in_points_its_file_and_the_mean_of_its_steps(listed, smoke_recipe):
    found = listed()

    assert found.scores == {"sst2 accuracy": 62.5}
    assert found.file == f"smoke/tiny-bert-shrinking-sst2/{smoke_recipe().digest}/seed3.json"
    assert found.step_seconds == 0.5  # 2 seconds and 4 steps an epoch
    assert found.flops == 1000 * smoke_recipe().epochs


def test_what_was_not_recorded_is_unknown(listed, smoke_recipe):
    made = result(smoke_recipe(), 3, {"sst2": {"accuracy": 0.625}})
    epochs = (replace(made.epochs[0], steps=None, flops=None), *made.epochs[1:])
    found = listed(epochs=epochs, peak_memory_bytes=0, environment={})

    assert (found.step_seconds, found.flops, found.memory) == (None, None, None)
    assert (found.commit, found.machine) == ("unknown", "unknown")


def test_an_error_is_listed_with_its_message(listed):
    found = listed(epochs=(), error="the loss is nan")

    assert (found.error, found.scores, found.updated) == ("the loss is nan", {}, None)


@pytest.mark.parametrize(("about", "machine", "on_gpu"), [
    ({"cpu": "some CPU", "threads": 2}, "some CPU, 2 threads", False),
    ({"cpu": "some CPU", "threads": 2, "gpu": "some GPU"}, "some GPU, 2 threads", True),
])  # fmt: skip
def test_a_machine_is_its_gpu_or_cpu_and_its_threads(listed, about, machine, on_gpu):
    found = listed(environment=about)

    assert (found.machine, found.on_gpu) == (machine, on_gpu)


def test_times_of_a_run_whose_batches_were_split_are_not_those_of_its_machine(listed):
    found = listed(environment={"cpu": "some CPU"}, provenance=Provenance(batch_parts=2))

    assert found.machine == "some CPU, batches in 2 parts"


def test_an_entry_is_named_as_verdicts_name_their_runs(smoke_recipe):
    recipe = smoke_recipe()

    assert entry_of(recipe, []).name == f"{recipe.id}/{recipe.digest}"


WHOLE = entry("m-constant-rte", 200, [run(0), run(1, step_seconds=0.7), run(2, step_seconds=0.5)])


def test_a_schedules_cost_is_its_share_of_constants_median():
    less = entry("m-shrinking-rte", 150, [run(0, flops=90, step_seconds=0.4, memory=2**19), run(1, step_seconds=0.4)])
    (cost,) = costs([WHOLE, less])

    assert (cost.body, cost.schedule, cost.task) == ("m", "shrinking", "rte")
    assert (cost.updated, cost.flops, cost.step_seconds, cost.memory) == (0.75, 0.95, 0.8, 0.75)
    assert cost.unknown == ()


def test_times_of_two_machines_are_not_compared():
    (cost,) = costs([WHOLE, entry("m-shrinking-rte", 150, [run(machine="another", flops=90)])])

    assert (cost.flops, cost.step_seconds, cost.memory) == (0.9, None, None)
    assert cost.unknown == ("time and memory: no machine ran both",)


def test_of_several_machines_the_one_that_ran_most_of_both_is_used():
    here = [run(i, machine="here", step_seconds=1.0) for i in range(2)]
    there = [run(i, machine="there", step_seconds=8.0) for i in range(7, 10)]
    less = [replace(one, step_seconds=one.step_seconds / 2) for one in here] + there[:1]
    (cost,) = costs([entry("m-constant-rte", 200, here + there), entry("m-shrinking-rte", 150, less)])

    assert cost.step_seconds == 0.5


def test_runs_with_an_error_count_for_nothing():
    broken = run(5, flops=1, step_seconds=0.001, error="the loss is nan")
    (cost,) = costs([WHOLE, entry("m-shrinking-rte", 150, [run(flops=90), broken])])

    assert cost.flops == 0.9


def test_memory_on_a_cpu_is_the_processes_and_no_share_of_it_is_told():
    """A process trains one recipe after the other and keeps memory of the first: its peak is no schedule's."""
    on_cpu = [run(0, on_gpu=False), run(1, on_gpu=False)]
    less = entry("m-shrinking-rte", 150, [replace(one, memory=2**19) for one in on_cpu])
    (cost,) = costs([entry("m-constant-rte", 200, on_cpu), less])

    assert (cost.flops, cost.step_seconds, cost.memory) == (1.0, 1.0, None)
    assert cost.unknown == ("peak memory: on a CPU not measured apart from its process",)


def test_unrecorded_operations_are_said_to_be_unknown():
    (cost,) = costs([WHOLE, entry("m-shrinking-rte", 150, [run(flops=None)])])

    assert cost.flops is None
    assert cost.unknown == ("FLOPs not recorded",)


def test_only_the_same_model_tuning_and_task_is_a_partner():
    assert costs([WHOLE, entry("m-shrinking-cola"), entry("m-lora-shrinking-rte"), entry("other-growing-rte")]) == []


@pytest.mark.parametrize("on_gpu", [True, False])  # where memory is known of no task, the others' shares still are
def test_means_are_over_the_tasks_that_know_the_most_shares(on_gpu):
    ledger = [entry("m-constant-rte", 200, [run(on_gpu=on_gpu)]), entry("m-constant-cola", 200, [run(on_gpu=on_gpu)])]
    ledger.append(entry("m-shrinking-rte", 150, [run(flops=50, on_gpu=on_gpu)]))
    ledger.append(entry("m-shrinking-cola", 100, [run(machine="another", on_gpu=on_gpu)]))
    (mean,) = mean_costs(costs(ledger))

    assert (mean.task, mean.updated, mean.flops) == ("rte", 0.75, 0.5)


def test_single_blocks_are_left_to_the_list_of_tasks():
    found = costs([WHOLE, entry("m-single_block_b1-rte", 50)])

    assert len(found) == 1
    assert mean_costs(found) == []


def test_a_run_beside_others_lends_no_time_but_its_memory():
    slow = entry("m-shrinking-rte", 150, [run(0, step_seconds=0.25), run(1, step_seconds=9.0, others=11)])
    (cost,) = costs([WHOLE, slow])

    assert (cost.step_seconds, cost.memory) == (0.5, 1.0)


@pytest.mark.parametrize("others", [1, None])
def test_without_a_run_known_to_be_alone_there_is_no_time(others):
    (cost,) = costs([WHOLE, entry("m-shrinking-rte", 150, [run(others=others)])])

    assert (cost.step_seconds, cost.memory) == (None, 1.0)
    assert cost.unknown == ("step time: no machine is known to have run both with nothing beside them",)


def test_times_are_of_one_machine_among_those_that_ran_alone():
    """The machine that ran most of both did so beside others."""
    crowd = [run(i, machine="crowded", others=3, step_seconds=9.0) for i in range(3)]
    whole = entry("m-constant-rte", 200, [*crowd, run(5, machine="quiet", step_seconds=1.0)])
    (cost,) = costs([whole, entry("m-shrinking-rte", 150, [*crowd, run(5, machine="quiet", step_seconds=0.5)])])

    assert cost.step_seconds == 0.5


@pytest.mark.parametrize("others", [2, None])
def test_how_many_ran_beside_it_is_listed_where_it_was_recorded(listed, others):
    assert listed(provenance=Provenance(others=others)).others == others


@pytest.mark.parametrize("nothing", [0, -1])
def test_flops_and_seconds_of_nothing_were_not_measured(listed, smoke_recipe, nothing):
    made = result(smoke_recipe(), 3, {"sst2": {"accuracy": 0.625}})
    epochs = tuple(replace(epoch, flops=nothing, seconds=float(nothing)) for epoch in made.epochs)
    found = listed(epochs=epochs, peak_memory_bytes=nothing)

    assert (found.flops, found.step_seconds, found.memory) == (None, None, None)


@pytest.mark.parametrize("field", ["flops", "seconds"])
def test_a_schedule_beside_runs_of_no_flops_or_seconds_has_an_unknown_cost(smoke_recipe, field, reliability):
    entries = []
    for schedule in ("constant", "shrinking"):
        wanted = smoke_recipe(schedule=schedule)
        made = result(wanted, 0, {"sst2": {"accuracy": 0.625}})
        entries.append(entry_of(wanted, [replace(made, epochs=tuple(replace(e, **{field: 0}) for e in made.epochs))]))
    (mean,) = mean_costs(costs(entries))

    assert (mean.flops is None) is (field == "flops")
    assert (mean.step_seconds is None) is (field == "seconds")
    if field == "flops":
        reliability("Keeping results", "all runs say 0 FLOPs", happens=mean.unknown[0], kept="scores, times and memory")
