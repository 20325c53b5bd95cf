"""The speed benchmark's measurements as tables and as JSON; test_speed.py is the benchmark itself."""

import doctest
import json

import speed_tables
from speed_tables import Speed

STEP = {
    "model": "m", "device": "cpu", "case": "full-fp32-default", "task": "sst2", "texts": "real", "ratio": 12.0,
    "least": 11.0, "most": 13.0, "bound": 10.0, "milliseconds": [100.0, 90.0, 80.0], "stage_measured": [1.0, 0.9, 0.8],
    "stage_formula": [1.0, 0.89, 0.77], "gflops": 240.4,
}  # fmt: skip
MEMORY = {"model": "m", "device": "cpu", "frozen": 8, "ours": 300 * 2**20, "theirs": 1000 * 2**20}


def test_a_ratio_is_shown_with_its_range_and_against_the_share_of_real_tokens():
    row = Speed(steps=[STEP]).as_text().splitlines()[-1]

    assert (
        row.split()
        == "m full-fp32-default sst2 real 12.00 [11.00..13.00] 10.00 1.20 100 90 80 0.90 0.80 0.89 0.77 240".split()
    )


def test_a_step_is_shown_as_a_share_of_what_the_machine_can_do():
    assert Speed(steps=[{**STEP, "ceiling": 480.8}]).as_text().split()[-2:] == ["50", "%"]


def test_a_column_of_which_no_record_knows_anything_is_left_out():
    assert "of the ceiling" not in Speed(steps=[STEP]).as_text()


def test_of_many_stages_the_first_and_the_last_are_shown():
    times = [100.0, 90.0, 80.0, 70.0, 60.0]
    row = Speed(steps=[{**STEP, "milliseconds": times, "stage_formula": None}]).as_text().splitlines()[-1]

    assert "100 to 60" in row


def test_memory_is_shown_in_mebibytes_and_as_a_share():
    assert Speed(memory=[MEMORY]).as_markdown().splitlines()[-1].replace(" ", "") == "|m|8|300|1,000|0.30|"


def test_kinds_that_were_not_measured_have_no_table():
    text = Speed(sessions=[{"session": "-m params", "seconds": 1.0}]).as_text()

    assert "padded/real" not in text
    assert "MiB" not in text


def test_raw_measurements_and_the_machine_are_written(tmp_path):
    path = Speed(steps=[STEP], memory=[MEMORY]).write(tmp_path, {"commit": "c"})
    content = json.loads(path.read_text())

    assert content["steps"] == [STEP]
    assert content["environment"] == {"commit": "c"}


def test_what_was_written_is_read_as_it_was(tmp_path):
    speed = Speed(steps=[STEP], memory=[MEMORY], sessions=[{"session": "-m params", "seconds": 1.0}])

    assert Speed.read(speed.write(tmp_path, {})) == speed


def test_measurements_in_several_files_are_read_one_after_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    paths = [Speed(steps=[STEP]).write(first, {}), Speed(steps=[{**STEP, "task": "mnli"}]).write(second, {})]

    assert [one["task"] for one in Speed.read(*paths).steps] == ["sst2", "mnli"]


GPU = {
    "model": "m", "tuning": "full", "task": "sst2", "batch": 32, "precision": "tf32", "seeds": 5, "milliseconds": 2.5,
    "utilisation": 0.25, "memory": 3 * 2**30, "launches": 7.0, "captured": 4, "refused": "", "default": 12.0,
}  # fmt: skip


def test_a_seeds_step_on_a_gpu_is_shown_with_its_ratios():
    row = Speed(gpu=[GPU]).as_markdown().splitlines()[-1].replace(" ", "")

    assert row == "|mfull|sst2x32|tf32|5|2.50|400|12.00|25%|7|3.0|"


def test_hours_are_shown_by_table():
    row = Speed(hours=[{"table": "table1", "hours": 1.25}]).as_markdown().splitlines()[-1].replace(" ", "")

    assert row == "|table1|1.2|"


def test_measurements_from_before_there_were_gpus_are_read(tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"steps": [], "memory": [], "sessions": [{"session": "x", "seconds": 1.0}]}')

    assert Speed.read(path).gpu == []


def test_its_example_is_true():
    assert doctest.testmod(speed_tables) == (0, 1)
