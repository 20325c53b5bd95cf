"""Tables, margins, disputes and checksums of another shape are refused with their place and what is allowed."""

import hashlib

import pytest

from progbench.judging import expected


def problems(root):
    return {cell.id: cell.problem for cell in expected.read(root, "smoke", "table1").cells if cell.problem}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("points = 1.6", "points = '1.6'", "margin cola: points = '1.6': allowed is a number from 0 to 100"),
        ("points = 1.6", "points = nan", "margin cola: points = nan: allowed is a number from 0 to 100"),
        ("points = 1.6", "points = -1", "margin cola: points = -1: allowed is a number from 0 to 100"),
        ("points = 1.6", "point = 1.6", "margin cola: unknown field 'point'; known are points, reason"),
        ("[margin]", "[margins]", "unknown field 'margins'; known are margin"),
        ("[margin]", "[margin]\nrte2 = 5", "margin rte2 = 5: allowed is a table"),
    ],
)
def test_a_margin_that_is_none_is_refused_with_its_file_and_what_is_allowed(copied, old, new, said, reliability):
    path = copied / "smoke" / "tolerance.toml"
    path.write_text(path.read_text().replace(old, new))
    problem = expected.read(copied, "smoke", "table1").problem

    assert f"{path}: {said}" in problem
    if new == "points = '1.6'":
        section = "Editing recipes and expected values"
        reliability(section, "a margin that is text", happens=problem, kept="other suites are judged")


@pytest.mark.parametrize("how", ["the file is gone", "the column is not in it"])
def test_a_score_without_a_margin_is_not_judged_by_a_margin_of_nothing(copied, how):
    path = copied / "smoke" / "tolerance.toml"
    if how == "the file is gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace("\nrte = ", "\nrte2 = "))
    found = problems(copied)

    assert found["tiny-bert-constant-rte"] == f"{path}: no margin for rte (accuracy)"
    assert ("tiny-bert-constant-cola" in found) is (how == "the file is gone")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('unit = "points"', 'unit = "m parameters"', "unit = 'm parameters': allowed is one of points, parameters"),
        ('unit = "points"', 'unit = "points"\nunits = 5', "unknown field 'units'; known are table, source"),
        ('metric = "f1"', 'metric = "f2"', "column mrpc: metric of mrpc = 'f2': allowed is one of f1, accuracy"),
        ('metric = "f1"', 'metric = ["f1"]', r"column mrpc: metric = ['f1']: allowed is a text"),
        (
            'metric = "f1"',
            'metric = "f1", count = { task = "rte" }',
            "column mrpc: one of metric, count and mean_of",
        ),
        ('metric = "f1"', 'count = { task = "rt" }', "column mrpc: count: task = 'rt': allowed is one of cola"),
        ('metric = "f1"', 'set = "mrcp", metric = "f1"', "column mrpc: 'mrcp': no task here has this evaluation set"),
        ('mean_of = ["cola"', 'mean_of = ["avg"', "column avg: mean_of names 'avg', which is no column with a metric"),
        ('label = "BERT_BASE FT"', "label = 5", "row 1: label = 5: allowed is a text"),
        ('label = "BERT_BASE FT"', 'label = "x"\ncolour = 5', "row 1: unknown field 'colour'; known are model"),
        ('cola = "58.2"', "cola = 58.2", "row 1 (BERT_BASE FT): printed of cola = 58.2: allowed is a text"),
        ('schedule = "shrinking"', 'schedule = "constant"', "two rows have the cell bert-base-constant-cola"),
    ],
)
def test_a_table_with_a_value_of_another_kind_says_where_and_what_is_allowed(copied, old, new, said):
    path = copied / "paper" / "table1.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))

    assert f"{path}: {said}" in expected.read(copied, "paper", "table1").problem


@pytest.mark.parametrize("printed", ["nan", "inf", "1_0", "5e1", "58.", "58,2", " 58.2", "٥٨"])
def test_only_what_looks_like_a_printed_number_is_one(copied, printed):
    path = copied / "paper" / "table1.toml"
    path.write_text(path.read_text().replace('"58.2"', f'"{printed}"'))
    (copied / "paper" / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in (copied / "paper").glob("*.toml")
    ))  # fmt: skip
    found = {cell.id: cell.problem for cell in expected.read(copied, "paper", "table1").cells if cell.problem}

    assert list(found) == ["bert-base-constant-cola"]
    assert found["bert-base-constant-cola"].endswith(f"prints {printed!r}, which is not a number")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cells = 5", "disputed.toml: cells = 5: allowed is one or more tables"),
        ("cell = []", "disputed.toml: unknown field 'cell'; known are cells, claims"),
        ("[[cells]]\ntable = 5", "disputed.toml: cells, entry 1: no row, columns, argument"),
        (
            "[[cells]]\ntable = 'table1'\nrow = 'x'\ncolumns = 'rte'\nargument = 'a'",
            "disputed.toml: cells, entry 1: columns = 'rte': allowed is a list of texts",
        ),
        (
            "[[cells]]\ntable = 'table1'\nrow = 'x'\ncolumns = ['rte']\nargument = 'a'",
            "table1.toml: disputed.toml disputes x-rte, which is not in it",
        ),
    ],
)
def test_disputes_of_another_shape_or_over_nothing_are_refused(copied, text, said):
    (copied / "smoke" / "disputed.toml").write_text(text)

    assert said in expected.read(copied, "smoke", "table1").problem


@pytest.mark.parametrize("line", ["no checksum", "85a9  table1.toml", "\udcff"])
def test_a_line_that_is_no_checksum_is_named(copied, line):
    path = copied / "paper" / "SHA256SUMS"
    path.write_text(f"{path.read_text()}{line}\n", errors="surrogateescape")

    assert str(path) in expected.read(copied, "paper", "table1").problem
