"""A person's data, as `progbench compare` takes it: what it says of a file, and what it refuses."""

import json

import datasets
import pytest

from progbench.errors import BadInput
from progbench.session.own_data import describe

ROWS = [("It rained.", "wet"), ('"Dry", he said', "dry"), ("clouds\tall day", "wet"), ("sun", "dry")]


def other(train):
    """The same rows, but for a text that they do not have."""
    if "It rained" in train:
        return train.replace("It rained", "It poured")
    header, _, rows = train.partition("\n")
    return f"{header}\nz{rows}" if rows.strip() and not train.startswith("{") else train


@pytest.fixture
def files(tmp_path):
    """Write a training and a development file; describes them."""

    def made(train, dev=None, ending="tsv", **options):
        for name, text in (("mine", train), ("dev", dev or other(train))):
            (tmp_path / f"{name}.{ending}").write_text(text, encoding="utf-8")
        return describe(tmp_path / f"mine.{ending}", tmp_path / f"dev.{ending}", tmp_path / "suite", **options)

    return made


def test_a_table_of_texts_and_classes_is_told_by_itself(files):
    found = files("id\ttext\tlabel\n1\tIt rained.\twet\n2\tsun\tdry\n3\tfog\twet\n")

    assert (found.kind, found.entry["text"], found.entry["labels"]) == ("classification", ["text"], ["dry", "wet"])
    assert (found.metrics, found.rows) == (("accuracy", "f1", "matthews_correlation"), (3, 3))


def test_two_columns_of_texts_are_a_pair_and_three_classes_have_no_f1(files):
    found = files("a\tb\tlabel\nx\ty\tyes\nz\tw\tno\nu\tv\tmaybe\n")

    assert found.entry["text"] == ["a", "b"]
    assert found.metrics == ("accuracy", "matthews_correlation")


def test_labels_with_fractions_are_scores_on_their_own_scale(files):
    found = files("text\tlabel\na\t-1.5\nb\t7\nc\t3.25\n")

    assert (found.kind, found.entry["labels"], found.entry["scale"]) == ("regression", [], [-1.5, 7.0])
    assert found.metrics == ("pearson", "spearman")


def test_whole_numbers_are_classes_unless_a_person_says_otherwise(files):
    text = "text\tlabel\na\t1\nb\t2\nc\t1\n"

    assert files(text).entry["labels"] == ["1", "2"]
    assert files(text, kind="regression").entry["scale"] == [1.0, 2.0]


def _csv():
    quoted = [text.replace('"', '""') for text, _ in ROWS]
    return "text,label\n" + "".join(f'"{text}",{label}\n' for text, (_, label) in zip(quoted, ROWS, strict=True))


def _jsonl():
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)


@pytest.mark.parametrize(("ending", "text"), [("csv", _csv()), ("jsonl", _jsonl())])
def test_other_files_hold_texts_that_a_tsv_cannot(files, ending, text):
    found = files(text, ending=ending)

    assert (found.entry["labels"], found.rows) == (["dry", "wet"], (4, 4))


def test_a_folder_that_datasets_saved_has_its_classes_by_name(tmp_path):
    kind = datasets.ClassLabel(names=["dry", "wet"])
    made = datasets.Dataset.from_dict(
        {"text": [text for text, _ in ROWS], "label": [1, 0, 1, 0]},
        datasets.Features({"text": datasets.Value("string"), "label": kind}),
    )
    made.save_to_disk(tmp_path / "mine")
    made.map(lambda row: {"text": row["text"] + "!"}).save_to_disk(tmp_path / "dev")

    assert describe(tmp_path / "mine", tmp_path / "dev", tmp_path).entry["labels"] == ["dry", "wet"]


QUESTION = {"context": "It is in Oslo.", "question": "Where?", "answers": {"text": ["Oslo"], "answer_start": [9]}}


def test_questions_a_line_each_are_written_in_squads_layout(files, tmp_path):
    none = QUESTION | {"answers": {"text": [], "answer_start": []}}
    found = files("".join(json.dumps(one) + "\n" for one in (QUESTION, none)), ending="jsonl")
    written = json.loads((tmp_path / "suite" / "train.json").read_text())["data"][0]["paragraphs"]

    assert (found.kind, found.entry["unanswerable"], found.rows) == ("answers", True, (2, 2))
    assert written[0]["qas"][0]["answers"] == [{"text": "Oslo", "answer_start": 9}]


def test_squads_own_file_is_taken_as_it_is(files, tmp_path):
    marked = [{"text": "Oslo", "answer_start": 9}]
    paragraph = {"context": "It is in Oslo.", "qas": [{"id": "1", "question": "Where?", "answers": marked}]}
    found = files(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}), ending="json")

    assert (found.kind, found.entry["unanswerable"]) == ("answers", False)
    assert found.entry["train"] == str(tmp_path / "mine.json")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no\.tsv: there is no such file"):
        describe(tmp_path / "no.tsv", tmp_path / "no.tsv", tmp_path)


def test_other_data_has_another_digest(files):
    assert files("text\tlabel\na\tx\nb\ty\n").digest != files("text\tlabel\na\tx\nc\ty\n").digest


SCORED = "text\tlabel\na\t1.33\nb\t0.2\nc\t2.5\n"


@pytest.mark.parametrize(("train", "dev", "options", "problem"), [
    ("text\tclass\na\tb\n", None, {}, r"mine.tsv:2: no column 'label': name it with --label; there are text, class"),
    ("a\tb\tc\tlabel\nx\ty\tz\tw\n", None, {}, r"Say --text NAME, of a, b, c, label"),
    ("text\tlabel\na\tx\n", None, {}, r"mine.tsv: every label is 'x'"),
    ("text\tlabel\na\tx\nb\ty\n", "text\tlabel\nc\tz\n", {}, r"dev.tsv:2: no row of .*mine.tsv has the label 'z'"),
    ("text\tlabel\na\tx\nb\ty\n", None, {"kind": "regression"}, r"mine.tsv:2: the label is 'x': a score is a plain"),
    ("text\tlabel\na\n", None, {}, r"mine.tsv:2: 1 column, expected 2"),
    ("text\tlabel\n \tx\nb\ty\n", None, {}, r"mine.tsv:2: text = ' ': wanted is a text that is not empty"),
    ("text\tlabel\n", None, {}, r"mine.tsv: the file holds no examples"),
    ("text\tlabel\na\tx\nb\ty\n",) * 2 + ({}, r"dev.tsv: every text in it also stands in .*mine.tsv"),
    (SCORED + "d\tNaN\n", None, {}, r"mine.tsv:5: the label is 'NaN': a score is a plain decimal number"),
    (SCORED + "d\t1e-3\n", None, {"kind": "regression"}, r"mine.tsv:5: the label is '1e-3'"),
    (SCORED, "text\tlabel\nx\t1.5\ny\t\n", {}, r"dev.tsv:3: label = '': wanted is a text or a number"),
    (SCORED, "text\tlabel\nx\t2.5\ny\t2.50\n", {}, r"dev.tsv: every score is 2.5: nothing correlates"),
    (SCORED, "text\tlabel\n", {}, r"dev.tsv: the file holds no examples"),
    (SCORED, None, {"text": ["label"]}, r"--text 'label': wanted is one column .* not that of labels \(label\)"),
    (SCORED, None, {"text": ["text", "text"]}, r"--text 'text,text': wanted is one column or two different ones"),
    (SCORED, None, {"label": "x" * 5000}, r"mine.tsv:2: no column 'x{47}\.\.\.x{48}': name it with --label"),
    ("text\tlabel\ra\tx\rb\ty\r", None, {}, r"mine.tsv:1: a carriage return alone ends its lines"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused_by_the_row_or_the_option_that_is_wrong(files, train, dev, options, problem):
    with pytest.raises(BadInput, match=problem):
        files(train, dev, **options)


LINES = '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n{"text": "c", "label": LABEL}\n'


@pytest.mark.parametrize(("ending", "text", "problem"), [
    ("csv", "text;label\na;x\n", r"mine.csv:1: a semicolon stands between its columns: wanted is a comma"),
    ("tsv", "text,label\na,x\n", r"mine.tsv:1: a comma stands between its columns: wanted is a tab"),
    ("json", '[{"text": "a", "label": "x"}]\n', r"mine.json:1: \[.*\] is no object; wanted is one object a line"),
    ("json", json.dumps({"data": [{"title": "t"}]}), r"mine.json: article 1: .*paragraphs"),
    ("jsonl", LINES.replace('"c"', '"\\ud800x"'), r"mine.jsonl:3: '\\ud800' is half of a character"),
    *(("jsonl", LINES.replace("LABEL", label), r"mine.jsonl:3: label = .*: wanted is a text or a number")
      for label in ("null", '["x"]', '{"a": 1}', '" "')),
    ("txt", "x", r"wanted is \.tsv, \.csv, \.jsonl, \.json, or a folder"),
])  # fmt: skip
def test_a_file_that_is_not_as_its_ending_says_is_told_so(files, ending, text, problem):
    with pytest.raises(BadInput, match=problem):
        files(text.replace("LABEL", '"y"'), ending=ending)


def test_a_row_that_datasets_has_no_class_for_is_refused(tmp_path):
    kind = datasets.ClassLabel(names=["dry", "wet"])
    made = datasets.Dataset.from_dict(
        {"text": ["a", "b", "c"], "label": [0, 1, -1]},
        datasets.Features({"text": datasets.Value("string"), "label": kind}),
    )
    made.save_to_disk(tmp_path / "mine")

    with pytest.raises(BadInput, match=r"row 2: label = None"):
        describe(tmp_path / "mine", tmp_path / "mine", tmp_path)


def test_an_ending_in_capitals_is_the_same_ending(files):
    assert files("text\tlabel\na\tx\nb\ty\n", ending="TSV").rows == (2, 2)


def test_a_field_of_csv_may_be_as_long_as_a_book(files):
    assert files(f"text,label\n{'long ' * 40_000},x\nb,y\n", ending="csv").rows == (2, 2)
