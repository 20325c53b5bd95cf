"""GLUE's files: no row is lost, and what is no such file is refused at its line."""

import shutil

import pytest

from progbench.errors import BadInput, Missing
from progbench.tasks import glue, toy

SST2, COLA, STSB, QQP, MNLI = (glue.glue_tasks()[name] for name in ("sst2", "cola", "stsb", "qqp", "mnli"))


def write(path, content):
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize(
    "sentence",
    [
        'he said " no',
        '"quoted"',
        "NA",
        "null",
        "nan",
        "\u200b.",
        " spaces ",
        "line\u2028separator",
        "form\x0cfeed",
        "caf\u00e9",
    ],
)
def test_a_sentence_comes_back_as_it_was_written(tmp_path, sentence):
    path = write(tmp_path / "train.tsv", f"sentence\tlabel\n{sentence}\t1\nlast\t0\n")

    assert glue.read_tsv(path, SST2) == glue.Examples(([sentence, "last"],), [1, 0])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "end"])
def test_byte_order_mark_line_ending_and_final_newline_lose_no_row(tmp_path, ending, mark, last):
    path = write(
        tmp_path / "train.tsv", mark + ending.join(["sentence\tlabel", "a\t0", "b\t1"]) + (ending if last else "")
    )
    examples = glue.read_tsv(path, SST2)

    assert (examples.texts, examples.labels) == ((["a", "b"],), [0, 1])


def test_cola_has_no_header_and_its_first_line_is_a_row(tmp_path):
    path = write(tmp_path / "train.tsv", "gj04\t1\t\tThe sailors rode.\ngj04\t0\t*\tThe rode sailors.\n")

    assert glue.read_tsv(path, COLA) == glue.Examples((["The sailors rode.", "The rode sailors."],), [1, 0])


def test_columns_are_found_by_name_so_mnli_train_and_dev_may_differ(tmp_path):
    path = write(tmp_path / "dev.tsv", "index\tsentence2\tgold_label\tsentence1\n0\thyp\tneutral\tprem\n")

    assert glue.read_tsv(path, MNLI) == glue.Examples((["prem"], ["hyp"]), [1])


def test_an_stsb_score_is_a_number(tmp_path):
    path = write(tmp_path / "dev.tsv", "sentence1\tsentence2\tscore\na\tb\t3.800\n")

    assert glue.read_tsv(path, STSB).labels == [3.8]


@pytest.mark.parametrize(
    ("task", "content", "problem"),
    [
        (SST2, "sentence\tlabel\nfine\t1\nno label\n", r":3: 1 column, expected 2"),
        (SST2, "sentence\tlabel\na\tb\t1\nc\td\t1\n", r":2: 3 columns, expected 2 \(and 1 more such lines\)"),
        (SST2, "sentence\tlabel\nfine\t2\n", r":2: label '2' is none of 0, 1"),
        (SST2, "sentence\tlabel\nfine\t\n", r":2: label '' is none of 0, 1"),
        (SST2, "text\tlabel\nfine\t1\n", r":1: no column sentence; the header has text, label"),
        (SST2, "sentence\tlabel\tsentence\na\t1\tb\n", r":1: two columns are called 'sentence'"),
        (SST2, "sentence\tlabel\n \t1\n", r":2: nothing in column sentence"),
        (SST2, "sentence\tlabel\n\t1\n\0\0\t1\n", r":2: nothing in column sentence \(and 1 more such lines\)"),
        (SST2, "sentence\tlabel\n", r": the file holds no examples"),
        (SST2, "", r": the file holds no examples"),
        (
            STSB,
            "sentence1\tsentence2\tscore\na\tb\t5.1\n",
            r":2: score '5.1' is not a plain decimal number from 0 to 5",
        ),
        (
            STSB,
            "sentence1\tsentence2\tscore\na\tb\tnan\n",
            r":2: score 'nan' is not a plain decimal number from 0 to 5",
        ),
        *(
            (
                STSB,
                f"sentence1\tsentence2\tscore\na\tb\t{score}\n",
                r":2: score '.*' is not a plain decimal number from 0 to 5",
            )
            for score in ("\u0661", "1_0e-1", "1e0", "+1", " 1", "-0", "1.", ".5", "0x1", "")
        ),
        (STSB, "sentence1\tsentence2\tscore\na\tb\tNA\n", r":2: score 'NA' is not a plain decimal number from 0 to 5"),
    ],
)
def test_a_malformed_file_is_refused_at_its_line(tmp_path, task, content, problem):
    path = write(tmp_path / "train.tsv", content)

    with pytest.raises(BadInput, match=f"train.tsv{problem}$"):
        glue.read_tsv(path, task)


@pytest.mark.parametrize(
    ("fault", "task", "content"),
    [
        ("a header that names a column twice", SST2, "sentence\tlabel\tsentence\nfine\t1\tbad\n"),
        ("a score that only a programmer can read", STSB, "sentence1\tsentence2\tscore\na\tb\t1_0e-1\n"),
        ("a file cut inside its last row, before the last column", SST2, "sentence\tlabel\nfine\t1\nba"),
    ],
)
def test_a_fault_in_a_file_is_said_with_its_line(tmp_path, reliability, fault, task, content):
    with pytest.raises(BadInput) as problem:
        glue.read_tsv(write(tmp_path / "train.tsv", content), task)
    reliability("Bringing data", fault, happens=problem.value, kept="nothing is trained; other tasks run")


def test_bytes_that_are_not_utf8_are_refused_at_their_line(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes(b"sentence\tlabel\nna\xefve\t1\n")

    with pytest.raises(BadInput, match=r"train\.tsv:2: not UTF-8"):
        glue.read_tsv(path, SST2)


def test_qqps_few_known_broken_rows_are_left_out_and_counted(tmp_path):
    rows = "".join(f"{i}\t0\t0\ta\tb\t1\n" for i in range(6000))
    path = write(tmp_path / "train.tsv", f"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n{rows}broken\n")

    examples = glue.read_tsv(path, QQP)

    assert (len(examples), examples.left_out) == (6000, 1)


def test_more_broken_rows_than_qqp_is_known_to_have_are_refused(tmp_path):
    rows = "".join(f"{i}\t0\t0\ta\tb\t1\n" for i in range(6000))
    path = write(tmp_path / "train.tsv", f"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n{rows}broken\nbroken\n")

    with pytest.raises(BadInput, match=r"train.tsv:6002: 1 column, expected 6 \(and 1 more such lines\)"):
        glue.read_tsv(path, QQP)


def test_qqps_two_known_empty_questions_are_kept(tmp_path):
    head, full = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n", "0\t0\t0\ta\tb\t1\n"
    path = write(tmp_path / "train.tsv", head + full + 2 * "0\t0\t0\ta\t\t0\n")

    assert glue.read_tsv(path, QQP) == glue.Examples((["a", "a", "a"], ["b", "", ""]), [1, 0, 0])


def test_a_third_empty_question_of_qqp_is_refused(tmp_path):
    head = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    path = write(tmp_path / "train.tsv", head + 3 * "0\t0\t0\ta\t\t0\n")

    with pytest.raises(BadInput, match=r"train.tsv:2: nothing in column question2 \(and 2 more such lines\)"):
        glue.read_tsv(path, QQP)


def test_a_last_line_that_does_not_end_is_said_to_be_cut(tmp_path, reliability):
    path = write(tmp_path / "train.tsv", "gj04\t1\t\tThe sailors rode.\ngj04\t0\t*\tThe rode sai")

    said = glue.read_tsv(path, COLA).unended
    assert said == "CoLA/train.tsv:2: the last line does not end: the file may have been cut there"
    kept = "it is trained; every report on these runs shows the sentence"
    reliability("Bringing data", "a file cut inside its last text or score", happens=said, kept=kept)


def test_a_last_row_that_was_cut_and_may_be_left_out_is_said_to_be_cut_too(tmp_path):
    rows = "".join(f"{i}\t0\t0\ta\tb\t1\n" for i in range(6000))
    path = write(tmp_path / "train.tsv", f"id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n{rows}6000\t0")

    examples = glue.read_tsv(path, QQP)
    assert (examples.left_out, examples.unended[:19]) == (1, "QQP/train.tsv:6002:")


def test_colas_published_last_line_has_no_end_and_is_whole(tmp_path):
    path = write(tmp_path / "dev.tsv", "gj04\t1\t\tThe sailors rode.\n" + COLA.unended[0])

    assert glue.read_tsv(path, COLA).unended == ""


def test_a_copy_of_the_training_file_is_not_evaluated_on(tmp_path, reliability):
    toy.write(tmp_path)
    shutil.copy(tmp_path / "RTE" / "train.tsv", tmp_path / "RTE" / "dev.tsv")

    with pytest.raises(BadInput) as problem:
        glue.glue_tasks()["rte"].read(tmp_path)
    reliability(
        "Bringing data",
        "the training file copied over the evaluation file",
        happens=problem.value,
        kept="nothing is trained; other tasks run",
    )


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        Missing, match=r"no data of mnli: no file .*train\.tsv and no .*dev_matched\.tsv and no .*dev_mism"
    ):
        MNLI.read(tmp_path)


def test_another_file_gives_another_fingerprint(tmp_path):
    toy.write(tmp_path / "a")
    toy.write(tmp_path / "b")
    same = SST2.read(tmp_path / "b").fingerprint
    with (tmp_path / "b" / "SST-2" / "train.tsv").open("a") as file:
        file.write("one more\t1\n")

    assert SST2.read(tmp_path / "a").fingerprint == same
    assert SST2.read(tmp_path / "b").fingerprint != same


REAL = {"cola": 6023, "sst2": 37569, "mrpc": 2474, "rte": 1241}  # class-1 rows, as the data's documentation counts them


@pytest.mark.parametrize("name", [*REAL, "stsb"])
def test_the_real_files_have_as_many_rows_as_were_published_and_none_is_cut(glue_dir, name):
    task = glue.glue_tasks()[name]
    data = task.read(glue_dir)
    splits = {"train": data.train, **data.evaluate}

    assert {part: (len(split),) for part, split in splits.items()} == task.rows
    assert [(split.left_out, split.unended) for split in splits.values()] == [(0, "")] * 2
    assert name not in REAL or sum(data.train.labels) == REAL[name]


@pytest.mark.parametrize(
    ("name", "part", "file"),
    [("mnli", "mnli-m", "dev_matched.tsv"), ("qnli", "qnli", "dev.tsv"), ("qqp", "", "train.partial.tsv")],
)
def test_real_files_of_tasks_that_are_not_all_here_lose_no_row(glue_dir, name, part, file):
    task = glue.glue_tasks()[name]
    examples = glue.read_tsv(glue_dir / task.folder / file, task)

    assert (len(examples),) == task.rows.get(part, (23_496,))
    assert (examples.left_out, examples.unended) == (0, "")


@pytest.mark.parametrize("task", glue.glue_tasks().values(), ids=lambda task: task.name)
def test_generated_files_are_as_large_as_said(tmp_path, task):
    toy.write(tmp_path / "glue")
    data = task.read(tmp_path / "glue")

    assert len(data.train) == 400
    assert {len(split) for split in data.evaluate.values()} == {250}


@pytest.mark.parametrize("name", ["cola", "sst2", "mrpc", "rte", "stsb"])
def test_generated_files_have_the_real_files_header(tmp_path, glue_dir, name):
    task = glue.glue_tasks()[name]
    toy.write(tmp_path / "glue")
    ours, real = (
        (root / task.folder / task.train).open(encoding="utf-8-sig") for root in (tmp_path / "glue", glue_dir)
    )
    with ours, real:
        assert len(ours.readline().split("\t")) == len((first := real.readline()).split("\t"))
        assert task.no_header or tuple(first.rstrip("\n").split("\t")) == task.columns
