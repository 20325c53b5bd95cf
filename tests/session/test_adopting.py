"""Adopting results: what is copied, what the reference then says, what is left out, and what is refused and why."""

import dataclasses
import json
import re
import shutil

import pytest
from adopted import checkout, failed, git, made, recipe, saved
from made_up import result, rewrite

from progbench.errors import BadInput
from progbench.judging import guards
from progbench.runs import predictions, results
from progbench.session import adopting, reference, vouching


class Place:
    """A checkout with expected/, and a folder of results beside it."""

    def __init__(self, tmp_path):
        self.root, self.runs = tmp_path / "checkout", tmp_path / "runs"
        self.answers = self.root / "expected"
        self.commit = checkout(self.root)
        (self.answers / "mini").mkdir(parents=True)

    def plan(self, *recipes):
        known = {one.id: one for one in recipes or [recipe()]}
        return adopting.plan(self.root, self.answers, "mini", known, self.runs)

    def entry(self, name="minilm-constant-rte"):
        return reference.on_file(self.answers, "mini")[name]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_results_and_their_predictions_are_copied_as_they_are(place):
    (path,) = saved(place.runs, place.commit, recipe(), [200])
    found = place.plan()
    found.write()
    copy = found.folder / path.relative_to(place.runs)

    assert copy.read_bytes() == path.read_bytes()
    assert predictions.path_beside(copy).read_bytes() == predictions.path_beside(path).read_bytes()


def test_the_reference_has_the_scores_and_the_environment_of_each_seed_and_follows_from_the_copies_alone(place):
    saved(place.runs, place.commit, recipe(), [200, 201])
    found = place.plan()

    assert [*(place.answers / "mini").iterdir()] == []  # before it is asked for
    found.write()
    assert place.entry()["seeds"] == {"0": {"rte": {"accuracy": 200 / 277}}, "1": {"rte": {"accuracy": 201 / 277}}}
    assert place.entry()["environment"]["1"]["commit"] == place.commit
    assert (place.plan().taken, place.plan().refused) == ([], [])  # what is on file already is not new
    path = place.answers / "mini" / "reference.json"
    before = path.read_text()
    shutil.rmtree(place.runs)
    path.unlink()
    reference.derive(place.answers, "mini")

    assert path.read_text() == before


def test_the_checksum_of_the_reference_is_renewed(place):
    (place.answers / "mini" / "SHA256SUMS").write_text(f"{'0' * 64}  reference.json\n")
    saved(place.runs, place.commit, recipe(), [200])
    place.plan().write()

    assert guards.edited(place.answers / "mini", ["reference.json"], printed=False) == ""


def test_the_change_is_shown_with_mean_spread_and_number_of_seeds(place):
    saved(place.runs, place.commit, recipe(), [200])
    place.plan().write()
    saved(place.runs, place.commit, recipe(), [200, 202])
    last = [line for line in "\n".join(adopting.lines(place.plan())).splitlines() if "accuracy" in line][-1]

    assert "72.20 (n=1, " in last
    assert "72.56 ± 0.51 (n=2, " in last


def test_a_failed_run_is_on_file_as_one(place):
    saved(place.runs, place.commit, recipe(), [200])
    results.save(place.runs, failed(place.commit, recipe(), 1))
    found = place.plan()
    found.write()

    assert found.failed == ["minilm-constant-rte, seed 1: epoch 1, step 3: the loss is nan"]
    assert place.entry()["errors"] == {"1": "epoch 1, step 3: the loss is nan"}
    assert [*place.entry()["seeds"]] == ["0"]


def test_a_run_that_did_not_fail_the_second_time_takes_the_place_of_the_failed_one(place):
    saved(place.runs, place.commit, recipe(), [200])
    results.save(place.runs, failed(place.commit, recipe(), 1))
    place.plan().write()
    shutil.rmtree(place.runs)
    results.save(place.runs, made(place.commit, recipe(), 1, 203))
    place.plan().write()

    assert [*place.entry()["seeds"]] == ["0", "1"]
    assert "errors" not in place.entry()


def test_what_is_not_whole_yet_is_left_out_and_said(place):
    growing = recipe("growing")
    saved(place.runs, place.commit, recipe("constant"), [200, 201])
    saved(place.runs, place.commit, recipe("shrinking"), [200])
    results.save(place.runs, made(place.commit, growing, 1))
    found = place.plan(recipe("constant"), recipe("shrinking"), growing)

    assert {name: [*files] for name, files in found.kept.items()} == {
        "minilm-constant-rte": [0],
        "minilm-shrinking-rte": [0],
    }
    assert found.left_out == [
        "minilm-constant-rte: seed 1 is left out: minilm-shrinking-rte has 1 seed without a gap",
        "minilm-growing-rte: seed 1 is left out: there is no seed 0",
    ]


def test_seeds_on_file_stay_though_the_other_schedule_has_fewer(place):
    saved(place.runs, place.commit, recipe("constant"), [200, 201])
    both = recipe("constant"), recipe("shrinking")
    place.plan(*both).write()
    saved(place.runs, place.commit, recipe("shrinking"), [200])
    place.plan(*both).write()

    assert [*place.entry()["seeds"]] == ["0", "1"]


def test_recipes_that_the_suite_does_not_have_are_left_out(place):
    saved(place.runs, place.commit, recipe("growing"), [200])

    assert place.plan().left_out == [
        f"minilm-growing-rte/{recipe('growing').digest}: no recipe of this suite",
    ]


def test_results_of_an_edited_recipe_are_left_out(place):
    (path,) = saved(place.runs, place.commit, recipe(), [200])
    path.parent.rename(path.parent.with_name("0123abcd"))

    assert place.plan().left_out == [f"minilm-constant-rte/0123abcd: that recipe is now {recipe().digest}"]


def test_copies_of_an_edited_recipe_go_when_it_is_adopted_anew(place):
    copies = reference.copies(place.answers, "mini")
    old = results.save(copies, made(place.commit, dataclasses.replace(recipe(), warmup=0.5), 0))
    reference.derive(place.answers, "mini")
    saved(place.runs, place.commit, recipe(), [200])
    place.plan().write()

    assert not old.exists()
    assert place.entry()["digest"] == recipe().digest


def damaged_score(place, path):
    rewrite(path, epochs=[{**epoch, "scores": {"rte": {"accuracy": 0.9}}} for epoch in epochs_of(path)])


def epochs_of(path):
    return json.loads(path.read_text())["epochs"]


REFUSED = {
    "a checksum that does not fit": (
        lambda place, path: path.write_text(path.read_text().replace('"seconds": 9.0', '"seconds": 8.0')),
        "its checksum does not fit its content",
    ),
    "scores that do not follow from the predictions": (damaged_score, "its predictions after epoch 1 give"),
    "no predictions": (lambda place, path: rewrite(path, predictions={}), "made before runs kept their predictions"),
    "other predictions": (
        lambda place, path: predictions.save(path, [{"rte": {"gold": [1], "predicted": [1]}}]),
        r"its checksum is not the one in seed0\.json",
    ),
    "a commit that nobody has": (
        lambda place, path: results.save(place.runs, made("d" * 40, recipe(), 0)),
        "made by commit d{40}, which this checkout does not come from",
    ),
    "code that is no commit": (
        lambda place, path: results.save(place.runs, made(f"{place.commit}-dirty", recipe(), 0)),
        "made by code that is not a commit",
    ),
    "a name in place of a commit": (
        lambda place, path: results.save(place.runs, made("HEAD", recipe(), 0)),
        r"made by code that is not a commit \(HEAD\)",
    ),
    "another recipe inside than its digest says": (
        lambda place, path: rewrite(path, recipe=json.loads(path.read_text())["recipe"] | {"learning_rate": 0.1}),
        "the recipe inside is another than this suite's minilm-constant-rte",
    ),
    "one training as two seeds": (
        lambda place, path: results.save(place.runs, made(place.commit, recipe(), 0, 201)),
        r"seed1\.json: its losses and predictions are those of .*seed0\.json",
    ),
    "a first part by another commit": (
        lambda place, path: results.save(
            place.runs, made(place.commit, recipe(), 0, notes=("its first part was trained by commit unknown",))
        ),
        r"made by code that is not a commit \(unknown\)",
    ),
    "other data than was published": (
        lambda place, path: results.save(
            place.runs, dataclasses.replace(made(place.commit, recipe(), 0), examples={"train": 32, "rte": 277})
        ),
        "not the published data: it read 32 rows of train",
    ),
    "another number of updated parameters": (
        lambda place, path: rewrite(path, epochs=[{**one, "updated_parameters": 7} for one in epochs_of(path)]),
        "the run updated 21 parameters, but its schedule plans",
    ),
    "another number of threads": (
        lambda place, path: results.save(
            place.runs,
            dataclasses.replace(one := made(place.commit, recipe(), 0), environment=one.environment | {"threads": 2}),
        ),
        r"made on another threads \(1\) than .*seed0\.json \(2\)",
    ),
    "other data": (
        lambda place, path: results.save(
            place.runs, made(place.commit, recipe(), 0, fingerprints={"data": "other", "weights": "w"})
        ),
        "made on another data",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_recipe_with_a_result_that_nobody_can_vouch_for_is_refused_by_file_and_reason(place, what):
    path, _ = saved(place.runs, place.commit, recipe(), [200, 201])
    spoil, said = REFUSED[what]
    spoil(place, path)
    found = place.plan()

    assert found.taken == []
    (line,) = found.refused
    assert line.startswith(str(path.parent))
    assert re.search(said, line)


@pytest.mark.parametrize("rights", [[210], [210, 211]], ids=["some", "all"])
def test_other_scores_replace_all_of_the_seeds_on_file_or_none(place, rights):
    saved(place.runs, place.commit, recipe(), [200, 201])
    place.plan().write()
    shutil.rmtree(place.runs)
    saved(place.runs, place.commit, recipe(), rights)
    found = place.plan()
    found.write()
    scores = [one["rte"]["accuracy"] for one in place.entry()["seeds"].values()]
    said = "other scores than its copy on file, and seeds [1] on file are not there to be replaced"

    assert scores == [right / 277 for right in (rights if len(rights) == 2 else (200, 201))]
    assert [said in why for why in found.refused] == [True] * (len(rights) == 1)


def elsewhere(place, wanted, seed, right, **about):
    one = made(place.commit, wanted, seed, right)
    return results.save(place.runs, dataclasses.replace(one, environment=one.environment | about))


def test_a_recipes_seeds_may_come_from_different_kinds_of_cpu(place):
    saved(place.runs, place.commit, recipe(), [200])
    elsewhere(place, recipe(), 1, 201, cpu="another", cpu_model="cpu family 6")
    place.plan().write()

    assert [about["cpu"] for about in place.entry()["environment"].values()] == ["some CPU", "another"]


def test_a_recipes_seeds_may_not_come_from_a_cpu_and_a_gpu(place):
    saved(place.runs, place.commit, recipe(), [200])
    elsewhere(place, recipe(), 1, 201, device="cuda", gpu="H200")

    assert "made on another device (cuda) than" in place.plan().refused[0]


def test_a_seeds_schedules_come_from_one_kind_of_cpu_or_all_of_that_model_and_task_are_refused(place):
    both = recipe("constant"), recipe("shrinking")
    saved(place.runs, place.commit, both[0], [200])
    path = elsewhere(place, both[1], 0, 200, cpu="another")
    found = place.plan(*both)

    assert (found.taken, found.kept) == ([], {})
    (line,) = found.refused
    assert line.startswith(f"{path}: made on another cpu (another) than ")


def test_a_variants_seeds_may_come_from_another_kind_of_cpu_than_fine_tunings(place):
    both = recipe("constant"), recipe("growing", variant="optimizer-after-freeze")
    saved(place.runs, place.commit, both[0], [200])
    elsewhere(place, both[1], 0, 200, cpu="another")

    assert place.plan(*both).refused == []


def test_a_commit_of_another_branch_or_scores_version_is_refused(place):
    git(place.root, "checkout", "-q", "-b", "other")
    other = checkout(place.root, version=5)
    saved(place.runs, other, recipe(), [200])

    assert "made at SCORES_VERSION 5" in place.plan().refused[0]
    vouching.other_code.cache_clear()
    git(place.root, "checkout", "-q", "-")
    assert "which this checkout does not come from" in place.plan().refused[0]


def test_recipes_on_unlike_weights_are_refused_together(place):
    saved(place.runs, place.commit, recipe("constant"), [200])
    results.save(place.runs, made(place.commit, recipe("shrinking"), 0, fingerprints={"data": "d", "weights": "v"}))

    with pytest.raises(BadInput, match="made on unlike weights"):
        place.plan(recipe("constant"), recipe("shrinking"))


def test_a_reference_without_its_results_is_not_lost(place):
    reference.record(place.answers, "mini", {"old": {"digest": "1", "seeds": {}}})

    with pytest.raises(BadInput, match="old was recorded without its results, and would be lost"):
        place.plan()


def test_a_damaged_copy_is_not_built_on(place):
    saved(place.runs, place.commit, recipe(), [200])
    found = place.plan()
    found.write()
    (copy,) = found.folder.glob("mini/*/*/seed0.json")
    copy.write_text(copy.read_text().replace("0.5", "0.6"))

    with pytest.raises(BadInput, match="its checksum does not fit"):
        place.plan()


def test_two_digests_of_one_recipe_are_no_reference(place):
    saved(place.runs, place.commit, recipe(), [200])
    place.plan().write()
    copies = reference.copies(place.answers, "mini")
    results.save(copies, result(dataclasses.replace(recipe(), warmup=0.5), 0, {"rte": {"accuracy": 0.5}}))

    with pytest.raises(BadInput, match=r"results of \w+ and \w+; one is stale"):
        reference.derived(place.answers, "mini")


class Session:
    """What `updated` asks of a session's suite."""

    name = "mini"

    def __init__(self, place):
        self.answers, self.folder = place.answers, place.runs

    def needed(self, *cells, variants):
        return {recipe().id: recipe()}

    def every_recipe(self):
        return {}


def test_a_session_that_updates_its_reference_adopts_its_runs(place):
    saved(place.runs, place.commit, recipe(), [200])
    lines = adopting.updated(Session(place), ["a cell"], place.root)

    assert lines[-1] == f"reference: {place.answers / 'mini' / 'reference.json'}"
    assert [*place.entry()["seeds"]] == ["0"]


def test_a_session_whose_runs_nobody_can_vouch_for_updates_nothing(place):
    saved(place.runs, "unknown", recipe(), [200])

    with pytest.raises(BadInput, match="made by code that is not a commit"):
        adopting.updated(Session(place), ["a cell"], place.root)
    assert not (place.answers / "mini" / "reference.json").exists()


def test_a_suite_whose_reference_has_no_results_records_scores_as_before(place, monkeypatch):
    reference.record(place.answers, "mini", {"old": {"digest": "1", "seeds": {}}})
    monkeypatch.setattr(reference, "updated", lambda suite, cells: ["as before"])

    assert adopting.updated(Session(place), ["a cell"], place.root) == ["as before"]
