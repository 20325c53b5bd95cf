import hashlib
import json
import re
import statistics

import pytest

from progbench.judging import expected
from progbench.recipes import reading

MODELS = ("bert-base", "bert-large", "roberta-base")
PAPER_ROWS = [f"{model}-{schedule}" for model in MODELS for schedule in ("constant", "shrinking")]


@pytest.fixture
def paper(answers):
    return {cell.id: cell for name in ("table1", "figure4") for cell in expected.read(answers, "paper", name).cells}


def test_table1_has_one_cell_for_each_of_its_sixty_numbers(paper):
    table = [cell for cell in paper.values() if cell.file == "table1"]

    assert len(table) == 60
    assert all(cell.expectation.printed and not cell.problem for cell in table)


@pytest.mark.parametrize("row", PAPER_ROWS)
def test_each_printed_average_is_the_mean_of_its_nine_printed_columns(paper, row):
    columns = "cola mnli-m mnli-mm mrpc qnli qqp rte sst2 stsb".split()
    mean = statistics.fmean(float(paper[f"{row}-{column}"].expectation.printed) for column in columns)

    assert abs(mean - float(paper[f"{row}-avg"].expectation.printed)) <= 0.05 + 1e-9


def test_cells_carry_the_papers_labels(paper):
    cell = paper["bert-large-shrinking-mnli-mm"]

    assert (cell.table, cell.row, cell.column) == ("Table 1", "BERT_LARGE PT", "MNLI_mm")


def test_mnlis_two_columns_are_read_from_one_run(paper):
    matched, mismatched = (paper[f"bert-base-constant-{column}"] for column in ("mnli-m", "mnli-mm"))

    assert (matched.evaluation_set, mismatched.evaluation_set) == ("mnli-m", "mnli-mm")
    assert expected.run_id(matched.model, "full", matched.schedule, "mnli") == "bert-base-constant-mnli"


def test_every_scored_cell_has_a_margin_with_a_reason(paper):
    for cell in paper.values():
        if cell.kind != "counted":
            assert cell.expectation.margin > 0, cell.id
            assert len(cell.expectation.margin_reason) > 10, cell.id


def test_figure4_prints_two_of_its_six_totals(paper):
    printed = {cell.id: cell.expectation.printed for cell in paper.values() if cell.kind == "counted"}

    assert {name: number for name, number in printed.items() if number} == {
        "bert-large-constant-updated": "1005.4",
        "bert-large-shrinking-updated": "703.1",
    }
    assert len(printed) == 6


OF_SUITES = [(suite, name) for suite in reading.suites() for name in reading.settings(suite).tables if name != "claims"]


@pytest.mark.parametrize(("suite", "table"), OF_SUITES)
def test_every_cell_has_a_recipe_and_no_id_stands_twice(answers, suite, table):
    from progbench.session.suite import Suite

    cells = expected.read(answers, suite, table).cells
    own = Suite(suite, answers, answers)

    assert cells
    assert len({cell.id for cell in cells}) == len(cells)
    assert all(wanted.suite == suite for cell in cells for wanted in own.recipes(cell))


def test_the_papers_files_are_those_of_the_checksum(answers):
    for line in (answers / "paper" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((answers / "paper" / name).read_bytes()).hexdigest() == digest


def test_the_checksum_covers_every_file_of_the_paper(answers):
    listed = {line.split()[1] for line in (answers / "paper" / "SHA256SUMS").read_text().splitlines()}

    assert listed == {path.name for path in (answers / "paper").glob("*.toml")}


@pytest.mark.parametrize("file", ["table1.toml", "tolerance.toml"])
def test_an_edited_paper_file_makes_its_cells_errors_that_name_it(copied, file):
    path = copied / "paper" / file
    path.write_text(path.read_text().replace('"58.2"', '"58.9"').replace("points = 2.8", "points = 9.9"))
    problems = {cell.problem for cell in expected.read(copied, "paper", "table1").cells}

    assert len(problems) == 1
    assert f"{file} was edited: its sha256" in problems.pop()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: "[[rows\n" + text, r"table1\.toml: .*line 1"),
        (lambda text: text.replace('unit = "points"', ""), r"table1\.toml: no unit"),
        (lambda text: text.replace('label = "BERT_BASE FT"', ""), r"table1\.toml: row 1: no label"),
        (
            lambda text: text.replace('cola = "58.2"', 'colla = "58.2"'),
            "row 1 .*: printed has the unknown column 'colla'",
        ),
    ],
)
def test_an_unreadable_table_says_where_instead_of_raising(copied, change, problem):
    path = copied / "paper" / "table1.toml"
    path.write_text(change(path.read_text()))

    table = expected.read(copied, "paper", "table1")
    assert not table.cells
    assert re.search(problem, table.problem)


@pytest.mark.parametrize("file", ["tolerance.toml", "SHA256SUMS"])
def test_printed_values_are_not_judged_without_their_tolerance_or_checksums(copied, file):
    (copied / "paper" / file).unlink()
    table = expected.read(copied, "paper", "table1")

    assert table.problem or all(cell.problem for cell in table.cells)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('label = "CoLA", ', ""),
        lambda text: text.replace('mean_of = ["cola"', 'mean_of = ["colla"'),
    ],
    ids=["a column without label", "an average of an unknown column"],
)
def test_a_table_of_another_shape_is_a_problem_and_no_crash(copied, change):
    path = copied / "paper" / "table1.toml"
    path.write_text(change(path.read_text()))

    assert "table1.toml" in expected.read(copied, "paper", "table1").problem


def write_reference(root, scores):
    """A smoke reference for tiny-bert on SST-2: accuracies by schedule."""
    runs = {
        f"tiny-bert-{schedule}-sst2": {
            "digest": "d" * 8,
            "seeds": {str(seed): {"sst2": {"accuracy": value}} for seed, value in enumerate(values)},
        }
        for schedule, values in scores.items()
    }
    (root / "smoke" / "reference.json").write_text(json.dumps({"schema_version": 1, "runs": runs}))


def sst2(root):
    cells = expected.read(root, "smoke", "table1").cells
    return next(cell for cell in cells if cell.id == "tiny-bert-constant-sst2").expectation.reference


def test_a_references_spread_is_pooled_over_the_schedules_of_a_model(copied):
    # variances of 80, 82, 84, 86, 88 and of 90, 91, 92, 93, 94: 10 and 2.5; pooled over 4 + 4 degrees of freedom 6.25
    write_reference(copied, {"constant": [0.80, 0.82, 0.84, 0.86, 0.88], "shrinking": [0.90, 0.91, 0.92, 0.93, 0.94]})
    reference = sst2(copied)

    assert reference.sd == pytest.approx(2.5)
    assert reference.df == 8
    assert statistics.fmean(reference.seeds.values()) == pytest.approx(84)


def test_a_reference_whose_seeds_are_all_equal_lends_its_sibling_no_spread(copied):
    write_reference(copied, {"constant": [0.80, 0.82, 0.84, 0.86, 0.88], "shrinking": [0.9] * 5})
    reference = sst2(copied)

    assert (reference.sd, reference.df) == (pytest.approx(10**0.5), 4)


def test_fewer_than_five_seeds_are_no_reference(copied):
    write_reference(copied, {"constant": [0.8, 0.82, 0.84, 0.86]})

    assert sst2(copied) is None


def test_a_reference_that_cannot_be_read_is_named(copied):
    (copied / "smoke" / "reference.json").write_text("{")

    assert "reference.json: Expecting property name" in expected.read(copied, "smoke", "table1").cells[0].problem


def cells(answers, table, suite="paper"):
    return {cell.id: cell for cell in expected.read(answers, suite, table).cells}


@pytest.mark.parametrize(("table", "count"), [("table3", 54), ("table4", 60), ("table5", 12), ("figure1", 12)])
def test_a_table_has_one_cell_for_each_of_its_numbers(answers, table, count):
    found = cells(answers, table).values()

    assert len(found) == count
    assert not any(cell.problem for cell in found)
    assert all(cell.expectation.printed for cell in found) is (table != "figure1")


@pytest.mark.parametrize("row", ["bert-base-adapter", "bert-base-bitfit", "roberta-base-lora"])
@pytest.mark.parametrize("schedule", ["constant", "shrinking"])
def test_each_printed_average_of_table_4_is_the_mean_of_its_nine_printed_columns(answers, row, schedule):
    found = cells(answers, "table4")
    columns = "cola mnli-m mnli-mm mrpc qnli qqp rte sst2 stsb".split()
    mean = statistics.fmean(float(found[f"{row}-{schedule}-{column}"].expectation.printed) for column in columns)

    assert abs(mean - float(found[f"{row}-{schedule}-avg"].expectation.printed)) <= 0.05 + 1e-9


def test_table_5s_first_row_is_table_1s(answers):
    first, again = cells(answers, "table1"), cells(answers, "table5")
    for column in ("cola", "mrpc", "rte", "stsb"):
        cell = f"bert-base-shrinking-{column}"
        assert first[cell].expectation.printed == again[cell].expectation.printed
        assert (first[cell].recipe_file, first[cell].metric) == (again[cell].recipe_file, again[cell].metric)


def test_table_5s_mrpc_is_accuracy_where_it_is_and_has_that_margin(answers):
    found = cells(answers, "table5")

    assert [found[f"bert-base-{row}-mrpc"].metric for row in ("shrinking", "without_low_blocks", "growing")] == [
        "f1", "accuracy", "accuracy",
    ]  # fmt: skip
    assert found["bert-base-growing-mrpc"].expectation.margin == 2.4


@pytest.mark.parametrize("file", ["table1.toml", "disputed.toml"])
def test_table_4_is_not_judged_when_a_file_it_is_read_with_was_edited(copied, file):
    path = copied / "paper" / file
    path.write_text(path.read_text() + "\n# edited")

    assert {f"{file} was edited" in cell.problem for cell in expected.read(copied, "paper", "table4").cells} == {True}


def test_spreads_of_unlike_tunings_are_not_pooled(answers):
    found = cells(answers, "table4", "smoke")
    adapter, bitfit = (
        found[f"tiny-bert-wide-{name}-constant-rte"].expectation.reference for name in ("adapter", "bitfit")
    )

    assert adapter.df == bitfit.df == 8
    assert adapter.sd != bitfit.sd


def test_a_row_may_call_a_schedule_as_the_paper_does(tmp_path):
    table = 'table = "T"\nsource = "ours"\nrecipe = "r"\nunit = "points"\n'
    columns = '[columns]\nrte = { label = "RTE", metric = "accuracy" }\n'
    row = '[[rows]]\nmodel = "tiny-bert"\nlabel = "{0}"\nschedule = "{0}"\n'
    (tmp_path / "own").mkdir()
    names = "fine-tuning", "progtuning", "growing"
    (tmp_path / "own" / "t.toml").write_text(table + columns + "".join(map(row.format, names)), encoding="utf-8")
    cells = expected.read(tmp_path, "own", "t").cells

    assert [cell.id for cell in cells] == ["tiny-bert-constant-rte", "tiny-bert-shrinking-rte", "tiny-bert-growing-rte"]


def test_a_schedule_that_there_is_not_is_refused_with_the_tables_file_and_row(tmp_path):
    table = 'table = "T"\nsource = "ours"\nrecipe = "r"\nunit = "points"\n'
    columns = '[columns]\nrte = { label = "RTE", metric = "accuracy" }\n'
    row = '[[rows]]\nmodel = "tiny-bert"\nlabel = "x"\nschedule = "melting"\n'
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "t.toml").write_text(table + columns + row, encoding="utf-8")

    assert (
        "t.toml: row 1: unknown schedule 'melting': known are fine-tuning"
        in expected.read(tmp_path, "own", "t").problem
    )
