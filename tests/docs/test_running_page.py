"""What docs/running.md says is so: its commands parse, and its names and numbers are the code's."""

import re
import shlex

import pages
import pytest

from progbench import cli
from progbench.commands.shared import ABSENT, FAILED, FINE, INTERRUPTED, USAGE
from progbench.session import engine_slurm, submitting

PAGE = pages.read("docs/running.md")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in pages.blocks(PAGE, "sh")
    for line in block.splitlines()
    if line.startswith("progbench ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_one(command):
    assert cli._parser().parse_args(shlex.split(command)[1:]).command


def test_every_command_for_long_runs_is_shown():
    assert {command.split()[1] for command in COMMANDS} == {"fetch", "plan", "run", "submit"}


def test_the_exit_codes_are_those_of_the_command():
    """In the order of the page: fine, an error, bad input, missing, told to end."""
    (sentence,) = re.findall(r"Its exit code is.*?\.\n\n", PAGE, re.DOTALL)
    said = [int(number) for number in re.findall(r"\b\d+\b", sentence)]

    assert said == [FINE, FAILED, USAGE, ABSENT, INTERRUPTED]
    assert said == list(submitting.CODES)


def test_a_unit_is_started_as_often_as_the_page_says():
    """A unit of the engine local, and a task of Ray."""
    assert submitting.TRIES == 3
    assert len(re.findall(r"three\s+times\s+in\s+all", PAGE)) == 2


def test_a_jobs_time_is_as_the_page_says():
    assert engine_slurm.DEFAULTS["timeout_min"] == 4 * 60
    assert re.search(r"for\s+four\s+hours", PAGE)
    assert engine_slurm.MOST_TIMEOUTS == 100
    assert "a hundred times" in PAGE
