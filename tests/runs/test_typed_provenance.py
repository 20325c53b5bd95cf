"""How a run was trained, in a result and in its file."""

import json
from dataclasses import replace

import pytest
from made_up import MADE_ON, result, rewrite

from progbench.errors import BadInput
from progbench.runs import results
from progbench.runs.run_result import Provenance

SIDE_BY_SIDE = Provenance(side_by_side=(0, 3), batch_parts=2, resumed=1, others=4, trainer="plain")


@pytest.fixture
def filed(tmp_path, smoke_recipe):
    """File a result of seed 3 with this provenance; gives its path, and what is read of it."""

    def make(provenance):
        path = results.save(tmp_path, replace(result(smoke_recipe(), 3, {}), provenance=provenance))
        return path, lambda: results.load(tmp_path, smoke_recipe(), 3)

    return make


@pytest.mark.parametrize("provenance", [Provenance(), Provenance(others=0), SIDE_BY_SIDE])
def test_it_is_read_as_it_was_filed(filed, provenance):
    _, load = filed(provenance)

    assert load().provenance == provenance
    assert load().environment == MADE_ON


def test_in_a_file_it_stands_among_the_environment_and_nothing_stands_for_a_default(filed):
    path, _ = filed(replace(SIDE_BY_SIDE, batch_parts=1))
    content = json.loads(path.read_text())

    assert content["environment"] == MADE_ON | {"side_by_side": "0 3", "resumed": 1, "others": 4, "trainer": "plain"}
    assert "provenance" not in content


def test_a_file_from_before_it_had_a_class_of_its_own_is_read(filed):
    path, load = filed(Provenance())
    rewrite(path, environment=MADE_ON | {"side_by_side": "0 3", "resumed": 1})

    assert load().provenance == Provenance(side_by_side=(0, 3), resumed=1)


def test_a_number_of_others_that_is_none_was_not_recorded(filed):
    path, load = filed(Provenance())
    rewrite(path, environment=MADE_ON | {"others": "many"})

    assert load().provenance.others is None


def test_seeds_that_are_no_numbers_are_refused(filed):
    path, load = filed(Provenance())
    rewrite(path, environment=MADE_ON | {"side_by_side": "zero"})

    with pytest.raises(BadInput, match="not a whole result"):
        load()


@pytest.mark.parametrize(("before", "after"), [
    (Provenance(), Provenance(others=2)),
    (Provenance(resumed=1), Provenance(resumed=1)),  # what used the device before is not known
])  # fmt: skip
def test_a_session_completes_a_result_once(smoke_recipe, before, after):
    found = result(smoke_recipe(), 3, {}, notes=("one",), provenance=before).completed("two", others=2, session="s")

    assert (found.notes, found.session, found.provenance) == (("one", "two"), "s", after)
