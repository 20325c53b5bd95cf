import json
import re
import resource
from dataclasses import replace

import pytest
from made_up import rewrite

from progbench import files
from progbench.errors import BadInput
from progbench.recipes.recipe import SCORES_VERSION
from progbench.runs import results
from progbench.runs.results import EpochResult, RunResult


def result(recipe, seed=0, score=0.625):
    return RunResult(recipe, seed, epochs=(EpochResult({"sst2": {"accuracy": score}}, 7, 0.5, 1.0),))


def refused(path, folder, recipe):
    with pytest.raises(BadInput) as problem:
        results.load(folder, recipe, 0)
    return str(problem.value).replace(recipe.digest, "…")


def test_a_result_comes_back_as_it_was_saved_and_says_itself_which_recipe_it_is_of(tmp_path, smoke_recipe):
    saved = result(smoke_recipe(), seed=4)
    path = results.save(tmp_path, saved)

    assert results.load(tmp_path, smoke_recipe(), 4) == saved
    assert results.read(path) == saved


def test_the_path_says_suite_recipe_digest_and_seed(tmp_path, smoke_recipe):
    recipe = smoke_recipe()

    folder = tmp_path / "smoke" / "tiny-bert-shrinking-sst2"
    assert results.path_of(tmp_path, recipe, 3) == folder / recipe.digest / "seed3.json"


@pytest.mark.parametrize("field", ["suite", "model", "schedule", "task", "variant"])
@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/x"])
def test_no_name_leads_out_of_the_folder_of_results(tmp_path, smoke_recipe, field, name):
    with pytest.raises(BadInput, match=r"its name in a path = .*: allowed is a plain name"):
        results.path_of(tmp_path, replace(smoke_recipe(), **{field: name}), 0)


def test_a_suite_of_two_dots_leads_nowhere(tmp_path, smoke_recipe):
    with pytest.raises(BadInput, match=r"its name in a path = '\.\.'"):
        results.path_of(tmp_path, smoke_recipe(suite=".."), 0)


def test_an_edited_recipe_finds_no_result_and_overwrites_none(tmp_path, smoke_recipe):
    old = results.save(tmp_path, result(smoke_recipe()))
    edited = smoke_recipe(learning_rate=0.5)

    assert results.load(tmp_path, edited, 0) is None
    assert results.save(tmp_path, result(edited)) != old
    assert old.exists()


def test_scores_are_points_of_the_last_epoch(smoke_recipe):
    epochs = tuple(EpochResult({"sst2": {"accuracy": score}}, 7, 0.5, 1.0) for score in (0.9, 0.625))

    assert RunResult(smoke_recipe(), 0, epochs=epochs).score("sst2", "accuracy") == 62.5


def test_a_score_that_is_not_finite_is_not_written(tmp_path, smoke_recipe):
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.save(tmp_path, result(smoke_recipe(), score=float("nan")))

    assert not list(tmp_path.rglob("*.json"))


def test_a_limit_on_the_size_of_files_is_found_before_anything_is_trained(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.require_room(tmp_path / "runs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 0}'])
def test_a_file_that_is_no_result_is_refused_by_its_path(tmp_path, smoke_recipe, content):
    path = results.save(tmp_path, result(smoke_recipe()))
    path.write_text(content)

    with pytest.raises(BadInput, match=r"seed0\.json: .*delete it to run this seed again"):
        results.load(tmp_path, smoke_recipe(), 0)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_score_on_file_that_is_not_finite_is_refused(tmp_path, smoke_recipe, constant):
    path = results.save(tmp_path, result(smoke_recipe()))
    path.write_text(path.read_text().replace("0.625", constant))

    with pytest.raises(BadInput, match=rf"seed0\.json: not a readable result \({constant} is not a number"):
        results.load(tmp_path, smoke_recipe(), 0)


def test_a_result_filed_under_another_recipe_is_refused(tmp_path, smoke_recipe):
    path = results.save(tmp_path, result(smoke_recipe()))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "00000000"}))

    with pytest.raises(BadInput, match="another recipe, seed or format"):
        results.load(tmp_path, smoke_recipe(), 0)


def test_a_file_of_a_recipe_this_version_does_not_know_is_refused_by_name(tmp_path, smoke_recipe):
    path = results.save(tmp_path, result(smoke_recipe()))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"recipe": content["recipe"] | {"flavour": 1}}))

    with pytest.raises(BadInput, match=r"seed0\.json: its recipe is none of this version's .*flavour"):
        results.read(path)


@pytest.mark.parametrize("part", ["scores", "updated_parameters", "seconds", "steps", "flops"])
@pytest.mark.parametrize("strange", ['"high"', "[]", "1e999", "{}"])
def test_what_cannot_be_computed_with_is_refused_by_name(tmp_path, smoke_recipe, part, strange):
    path = results.save(tmp_path, result(smoke_recipe()))
    content = json.loads(path.read_text())
    content["epochs"][0][part] = {"sst2": {"accuracy": "STRANGE"}} if part == "scores" else "STRANGE"
    path.write_text(json.dumps(content).replace('"STRANGE"', strange))

    with pytest.raises(BadInput, match=r"seed0\.json: not a whole result .* is not what it should be"):
        results.load(tmp_path, smoke_recipe(), 0)


@pytest.mark.parametrize("score", [1.0, -1.0, 1.0000000000000002])  # the last: a correlation's rounding
def test_a_perfect_score_is_read_as_it_was_written(tmp_path, smoke_recipe, score):
    made = RunResult(smoke_recipe(), 0, epochs=(EpochResult({"sst2": {"pearson": score}}, 7, 0.5, 1.0),))
    results.save(tmp_path, made)

    assert results.load(tmp_path, made.recipe, 0).score("sst2", "pearson") == 100 * score


@pytest.mark.parametrize("score", ["88.4", "1.001", "-1.1", "-0.5", "true"])
def test_a_score_that_is_no_fraction_is_refused(tmp_path, smoke_recipe, score, reliability):
    path = results.save(tmp_path, result(smoke_recipe()))
    content = json.loads(path.read_text())
    content["epochs"][0]["scores"] = {"sst2": {"accuracy": json.loads(score)}}
    path.write_text(json.dumps(content))
    said = refused(path, tmp_path, smoke_recipe())

    assert "the score accuracy, a number from 0 to 1, is not what it should be" in said
    if score == "-0.5":
        reliability("Keeping results", "an accuracy below 0", happens=said, kept="the file, as it is")


@pytest.mark.parametrize("part", ["environment", "fingerprints", "notes", "error", "seed", "peak_memory_bytes"])
def test_a_part_of_another_kind_is_refused_by_name(tmp_path, smoke_recipe, part):
    path = results.save(tmp_path, result(smoke_recipe()))
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: None}))

    with pytest.raises(BadInput, match=rf"seed0\.json: not a whole result .*{part} is not what it should be"):
        results.read(path)


@pytest.mark.parametrize("notes", [[{}], [1], [None], "a text", {}])
def test_notes_that_are_no_texts_are_refused(tmp_path, smoke_recipe, notes, reliability):
    path = results.save(tmp_path, result(smoke_recipe()))
    rewrite(path, notes=notes)
    said = refused(path, tmp_path, smoke_recipe())

    assert re.search(r"seed0\.json: not a whole result .*notes is not what it should be", said)
    if notes == [{}]:
        reliability("Keeping results", "a note of a result that is no text", happens=said, kept="the file, as it is")


@pytest.mark.parametrize("version", [5, 7, None, "6", True])
def test_a_result_that_says_another_scores_version_inside_is_refused(tmp_path, smoke_recipe, version, reliability):
    path = results.save(tmp_path, result(smoke_recipe()))
    rewrite(path, scores_version=version)

    said = refused(path, tmp_path, smoke_recipe())

    assert f"scores_version = {version!r}, not the {SCORES_VERSION} it" in said
    if version == 5:
        happens = said.replace(f"the {SCORES_VERSION} it", "the … it")
        reliability(
            "Keeping results", "a result of another SCORES_VERSION inside", happens=happens, kept="the file, as it is"
        )


def test_a_result_that_may_not_be_read_is_not_to_be_deleted(tmp_path, smoke_recipe, monkeypatch, reliability):
    path = results.save(tmp_path, result(smoke_recipe()))

    def refuse(_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(results, "read_text", refuse)
    said = refused(path, tmp_path, smoke_recipe())

    assert "delete" not in said
    reliability("Keeping results", "a result that may not be read", happens=said, kept="the file, as it is")


def of_epochs(recipe, *updated):
    return RunResult(recipe, 0, tuple(EpochResult({"sst2": {"accuracy": 0.5}}, each, 0.5, 1.0) for each in updated))


def test_the_right_sum_in_the_wrong_epochs_is_an_error(smoke_recipe, reliability):
    recipe = smoke_recipe()
    said = results.checked(of_epochs(recipe, *reversed(recipe.planned_by_epoch()))).error

    assert results.checked(of_epochs(recipe, *recipe.planned_by_epoch())).error == ""
    assert said.startswith("epoch 1 updated ")
    reliability(
        "Keeping results", "the right sum of updated parameters, in the wrong epochs", happens=said, kept="the file"
    )


def test_the_right_sum_in_too_few_epochs_is_an_error(smoke_recipe):
    recipe = smoke_recipe()

    said = results.checked(of_epochs(recipe, recipe.planned())).error
    assert said == f"the run has 1 epochs, but its schedule has {recipe.epochs}"


def test_the_seeds_on_file_are_those_of_this_very_recipe(tmp_path, smoke_recipe):
    for recipe, seed in ((smoke_recipe(), 3), (smoke_recipe(), 12), (smoke_recipe(learning_rate=0.5), 7)):
        results.save(tmp_path, result(recipe, seed))
    results.path_of(tmp_path, smoke_recipe(), 0).with_name("seed9.json").write_text("not readable")

    assert results.seeds_on_file(tmp_path, smoke_recipe()) == [3, 9, 12]
