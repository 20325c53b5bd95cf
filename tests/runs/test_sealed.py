"""A result is what was written, of the recipe that it is filed under; or it is none."""

import hashlib
import json
from dataclasses import replace

import pytest
from made_up import result, rewrite

from progbench.errors import BadInput
from progbench.recipes import recipe as recipes
from progbench.runs import results


@pytest.fixture
def wanted(smoke_recipe):
    return smoke_recipe()


@pytest.fixture
def filed(tmp_path, wanted):
    """The file of a result."""
    return results.save(tmp_path, result(wanted, 0, {"sst2": {"accuracy": 0.625}}))


@pytest.fixture
def held(tmp_path, wanted, reliability):
    """Hold a row of the page to what is said of the result, without a digest that changes with every SCORES_VERSION."""

    def hold(fault):
        said = refused(tmp_path, wanted).replace(wanted.digest, "…")
        reliability("Keeping results", fault, happens=said, kept="the file, as it is")

    return hold


def refused(folder, recipe):
    with pytest.raises(BadInput) as problem:
        results.load(folder, recipe, 0)
    return str(problem.value)


@pytest.mark.parametrize(
    "name",
    ["epochs", "seconds", "environment", "fingerprints", "examples", "notes", "final", "peak_memory_bytes"],
)
def test_no_part_of_a_result_can_be_changed_unseen(tmp_path, wanted, filed, name):
    content = json.loads(filed.read_text())
    others = {"epochs": content["epochs"][:1], "final": False, "notes": ["a note"]}
    other = others.get(name, 7 if isinstance(content[name], int | float) else {"data": 7})
    for changes in [{name: other}, *({"checksum": one} for one in (None, "", 7, "sha256:0"))]:
        filed.write_text(json.dumps(content | changes))

        assert "its checksum does not fit its content" in refused(tmp_path, wanted)


def test_a_digit_changed_in_a_score_is_refused(tmp_path, wanted, filed, held):
    filed.write_text(filed.read_text().replace("0.625", "0.635"))

    assert refused(tmp_path, wanted).startswith(f"{filed}: its checksum does not fit its content")
    held("a digit changed in a score on file")


def test_the_checksum_is_that_of_the_content_as_compact_json_with_sorted_keys():
    canonical = b'{"environment":{"cpu":"EPYC","threads":2},"seconds":0.1,"seed":3}'
    content = {"seed": 3, "seconds": 0.1, "environment": {"threads": 2, "cpu": "EPYC"}}

    assert results.checksum(content) == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def test_a_file_that_is_only_laid_out_anew_is_the_same_result(tmp_path, wanted, filed):
    before = results.load(tmp_path, wanted, 0)
    filed.write_text(json.dumps(dict(reversed(json.loads(filed.read_text()).items())), indent=7))

    assert results.load(tmp_path, wanted, 0) == before


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    ("field", "value"), [("model", "tiny-roberta"), ("task", "rte"), ("learning_rate", 0.5), ("schedule", "constant")]
)
def test_another_recipe_inside_is_refused_with_the_field(tmp_path, wanted, filed, field, value, sealed, held):
    inside = json.loads(filed.read_text())["recipe"] | {field: value}
    rewrite(filed, sealed=sealed, recipe=inside)

    said = refused(tmp_path, wanted)

    assert said == (
        f"{filed}: the recipe inside is another than the one it is filed under ({field} = {value!r}, not "
        f"{getattr(wanted, field)!r}); delete it to run this seed again"
    )
    if field == "model":
        held("a result whose recipe inside is another")


def test_a_result_without_a_recipe_inside_is_refused(tmp_path, wanted, filed, held):
    rewrite(filed, recipe=None)

    assert refused(tmp_path, wanted) == f"{filed}: no recipe inside; delete it to run this seed again"
    held("a result without a recipe inside")


def test_a_recipe_inside_from_before_a_field_was_added_or_taken_away_is_the_same(tmp_path, wanted, filed):
    inside = json.loads(filed.read_text())["recipe"]
    del inside["precision"]
    rewrite(filed, recipe=inside | {"prefix_cache": False})

    assert results.load(tmp_path, wanted, 0).recipe == wanted


def test_a_result_without_a_checksum_is_refused_and_not_compared_with_other_folders(tmp_path, wanted, filed, held):
    rewrite(filed, sealed=False)
    said = f"{filed}: it has no checksum, so nobody can see whether it was edited"

    assert refused(tmp_path, wanted) == f"{said}; delete it to run this seed again"
    held("a result whose checksum was taken out")
    with pytest.raises(BadInput, match="it has no checksum"):
        results.read(filed)


def test_a_file_cannot_say_that_it_is_of_before_there_were_checksums(filed):
    rewrite(filed, sealed=False, scores_version=5)

    with pytest.raises(BadInput, match="which is not the digest of the recipe inside"):
        results.read(filed)


def test_a_file_cannot_say_itself_that_it_has_a_checksum(tmp_path, wanted, filed):
    rewrite(filed, sealed=False)
    filed.write_text(json.dumps(json.loads(filed.read_text()) | {"sealed": True}))

    assert "it has no checksum" in refused(tmp_path, wanted)


def test_a_file_without_checksum_that_holds_another_recipe_is_refused_wherever_it_is_read(filed):
    rewrite(filed, sealed=False, recipe=json.loads(filed.read_text())["recipe"] | {"learning_rate": 0.5})

    with pytest.raises(BadInput, match="which is not the digest of the recipe inside"):
        results.read(filed)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("part", [2, 3])
def test_a_file_under_another_recipes_or_suites_name_is_refused(tmp_path, filed, part, sealed):
    rewrite(filed, sealed=sealed)
    names = list(filed.relative_to(tmp_path).parts)
    names[-part - 1] = "another"
    moved = tmp_path.joinpath(*names)
    moved.parent.mkdir(parents=True)
    filed.rename(moved)

    with pytest.raises(BadInput, match="made as another recipe or seed"):
        results.read(moved)


def test_a_result_of_an_earlier_scores_version_is_read_by_its_own_digest(tmp_path, wanted, monkeypatch):
    monkeypatch.setattr(recipes, "SCORES_VERSION", 4)
    monkeypatch.setattr(results, "SCORES_VERSION", 4)
    path = results.save(tmp_path, result(replace(wanted), 0, {"sst2": {"accuracy": 0.625}}))
    monkeypatch.undo()
    rewrite(path, sealed=False)

    assert path.parent.name != wanted.digest
    assert results.read(path).recipe == wanted


@pytest.mark.parametrize(("field", "value"), [("model", "unheard-of"), ("model", []), ("lora_targets", {})])
def test_a_recipe_inside_that_cannot_be_one_names_the_file(filed, field, value):
    rewrite(filed, sealed=False, recipe=json.loads(filed.read_text())["recipe"] | {field: value})

    with pytest.raises(BadInput, match=r"seed0\.json: "):
        results.read(filed)
