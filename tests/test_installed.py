"""What a person gets who installs the wheel and works in an empty folder: nothing of the checkout is there.

What such a person trains and compares is in docs/test_first_hour.py.
"""

import json

import pytest


@pytest.fixture(scope="module")
def person(installed):
    return installed("here")


def test_the_benchmarks_are_found_by_their_name(person):
    counted = person("pytest", "--pyargs", "progbench.benchmarks", "-m", "params", "-q", "--report", "counts")
    one = person("pytest", "--pyargs", "progbench.benchmarks.test_table2_squad", "-m", "params", "-q")
    found = json.loads((person.here / "counts" / "report.json").read_text())

    assert "51 passed" in counted
    assert "4 passed" in one
    assert found["summary"]["total"] == 64


def test_a_unit_and_an_engine_work_in_the_same_folder(person):
    unit = person("progbench", "run", "minilm-growing-rte", "--suite", "mini", rc=3)
    submitted = person("progbench", "submit", "--engine", "local", "--suite", "smoke", "-m", "params")

    assert "minilm-growing-rte, seed 0: missing: " in unit
    assert "progbench reproduce --suite smoke" in submitted
    assert person("progbench", "fetch", "--suite", "smoke").startswith("nothing to fetch")


def test_an_option_of_the_benchmarks_without_them_is_answered_with_the_right_command(person):
    said = person("pytest", "--suite", "smoke", rc=4)

    assert "try progbench reproduce --suite smoke" in said


def test_a_session_of_another_project_may_have_such_an_option(installed):
    person = installed("elsewhere")
    (person.here / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--suite')\n")
    (person.here / "test_it.py").write_text("def test_it(request):\n    assert request.config.option.suite == 'mine'\n")

    assert "1 passed" in person("pytest", "--suite", "mine", "-p", "no:cacheprovider")
