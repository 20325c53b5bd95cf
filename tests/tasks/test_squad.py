"""SQuAD's files: every question read, and what does not fit refused by file, article and question."""

import json

import pytest

from progbench.errors import BadInput, Missing
from progbench.tasks import catalog, toy
from progbench.tasks.source import Source
from progbench.tasks.squad import Question, squad_tasks

V1, V2 = squad_tasks()["squad1"], squad_tasks()["squad2"]
CONTEXT = "It rains in Oslo and in Bergen."


def entry(name="q1", answers=((12, "Oslo"),), **more):
    marked = [{"text": text, "answer_start": start} for start, text in answers]
    return {"id": name, "question": "Where?", "answers": marked} | more


def content(*entries, context=CONTEXT, title="Rain"):
    return {"version": "1.1", "data": [{"title": title, "paragraphs": [{"context": context, "qas": list(entries)}]}]}


def twice(key):
    """A file in which an object has this key twice."""
    whole = json.dumps(content(entry()))
    begin = whole.index(f'"{key}"')
    _, end = json.JSONDecoder().raw_decode(whole, whole.index(":", begin) + 2)
    return f"{whole[:end]}, {whole[begin:]}"


def write(path, what):
    path.write_text(what if isinstance(what, str) else json.dumps(what), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """SQUAD_DIR with generated files of both versions."""
    toy.write_squad(tmp_path / "squad")
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path / "squad"))
    return tmp_path / "squad"


def test_a_question_is_read_with_its_article_context_and_every_answer(tmp_path):
    path = write(tmp_path / "f.json", content(entry(answers=((12, "Oslo"), (24, "Bergen")))))

    assert V1.questions(path) == [Question("q1", "Rain", "Where?", CONTEXT, ((12, "Oslo"), (24, "Bergen")))]


def test_a_v2_question_may_have_no_answer_and_its_plausible_ones_are_not_read(tmp_path):
    plausible = [{"text": "Oslo", "answer_start": 12}]
    path = write(tmp_path / "f.json", content(entry(answers=(), is_impossible=True, plausible_answers=plausible)))

    assert V2.questions(path)[0].answers == ()


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ('{"data": [', r"f\.json: not JSON: Expecting value: line 1 column 11"),
        ("[]", r"f\.json: no 'data'"),
        ({"data": []}, r"f\.json: the file holds no questions"),
        ({"data": [{"paragraphs": []}]}, r"f\.json: article 1: no 'title'"),
        ({"data": [{"title": "Rain"}]}, r"f\.json: article 1: no 'paragraphs'"),
        (content(context=None), r"article 1 'Rain', paragraph 1: 'context' is None, wanted is a JSON string"),
        (content({"question": "Where?"}), r"article 1 'Rain', paragraph 1: no 'id'"),
        (content({"id": "q1", "question": "Where?"}), r"paragraph 1, question 'q1': no 'answers'"),
        (content(entry(question=7)), r"question 'q1': 'question' is 7, wanted is a JSON string"),
        (content(entry(answers=(("12", "Oslo"),))), r"'q1': 'answer_start' is '12', wanted is a JSON whole number"),
        (content(entry(answers=((True, "Oslo"),))), r"'q1': 'answer_start' is True, wanted is a JSON whole number"),
        (content(entry(answers=((12, " "),))), r"question 'q1': the answer at character 12 is empty"),
        (content(entry(answers=((12, "\u200b"),))), r"question 'q1': the answer at character 12 is empty"),
        (content(entry(question=" \t")), r"question 'q1': the question is empty"),
        (content(entry(), context="\0\0"), r"question 'q1': the context is empty"),
        (content(entry(), context="\u200b"), r"question 'q1': the context is empty"),
        (twice("data"), r"f\.json: the key 'data' stands twice in one object"),
        (twice("title"), r"f\.json: article 1: the key 'title' stands twice in one object"),
        (twice("context"), r"article 1 'Rain', paragraph 1: the key 'context' stands twice in one object"),
        (twice("answers"), r"article 1 'Rain', paragraph 1: the key 'answers' stands twice in one object"),
        (twice("answer_start"), r"paragraph 1, question 'q1': the key 'answer_start' stands twice in one object"),
        (content(entry(answers=())), r"'q1': no answer; only SQuAD v2\.0 has questions without one"),
        (content(entry(is_impossible="true")), r"'q1': 'is_impossible' is 'true', wanted is a JSON true or false"),
        (content(entry(question="\ud800 ?")), r"'q1': 'question' is not Unicode text: surrogates not allowed"),
        ("[" * 100_000, r"f\.json: not JSON"),
        ("9" * 5_000, r"f\.json: not JSON: Exceeds the limit"),
        (content(entry(is_impossible=True)), r"question 'q1': is_impossible is True, but it has 1 answers"),
        (content(entry(), entry()), r"question 'q1': the same id as a question of article 'Rain'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_at_its_place(tmp_path, what, problem):
    path = write(tmp_path / "f.json", what)

    with pytest.raises(BadInput, match=problem):
        V1.questions(path)


def test_a_question_that_nobody_can_see_is_told_with_its_place(tmp_path, reliability):
    with pytest.raises(BadInput) as problem:
        V1.questions(write(tmp_path / "train-v1.1.json", content(entry(question=" "))))
    reliability(
        "Bringing data", "a question without a character that can be seen", happens=problem.value,
        kept="nothing is trained; other tasks run",
    )  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    path = tmp_path / "f.json"
    path.write_text("\ufeff" + json.dumps(content(entry())), encoding="utf-8")

    assert len(V1.questions(path)) == 1


def test_a_file_in_which_every_question_has_an_answer_is_not_taken_for_v2(tmp_path):
    with pytest.raises(BadInput, match=r"f\.json: every question has an answer: this is not SQuAD v2\.0"):
        V2.questions(write(tmp_path / "f.json", content(entry())))


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "f.json"
    path.write_bytes(b'{"data": "\xef"}')

    with pytest.raises(BadInput, match=r"f\.json: not JSON: 'utf-8' codec can't decode"):
        V1.questions(path)


def test_a_v2_question_that_says_it_is_answerable_needs_an_answer(tmp_path):
    path = write(tmp_path / "f.json", content(entry(answers=(), is_impossible=False)))

    with pytest.raises(BadInput, match="is_impossible is False, but it has 0 answers"):
        V2.questions(path)


@pytest.mark.parametrize("start", [11, 13, 500, -1])
def test_an_evaluation_answer_that_is_not_where_it_should_be_is_refused(folder, start):
    write(folder / "dev-v1.1.json", content(entry(answers=((start, "Oslo"),))))

    with pytest.raises(
        BadInput, match=r"dev-v1\.1\.json: article 'Rain', question 'q1': the answer 'Oslo' is not at ch"
    ):
        catalog.load(V1, Source("SQUAD_DIR"))


def many(broken):
    return content(*(entry(f"q{i}", ((11 if i < broken else 12, "Oslo"),)) for i in range(2000)))


def test_a_rare_misplaced_training_answer_is_set_aside_and_named(folder):
    write(folder / "train-v1.1.json", many(broken=2))
    data = catalog.load(V1, Source("SQUAD_DIR"))

    assert len(data.train) == 1998
    assert data.set_aside == tuple(
        f"article 'Rain', question 'q{i}': the answer 'Oslo' is not at character 11 of the context" for i in (0, 1)
    )


def test_more_misplaced_training_answers_than_that_are_refused(folder):
    write(folder / "train-v1.1.json", many(broken=3))

    with pytest.raises(
        BadInput, match=r"train-v1\.1\.json: article 'Rain', question 'q0': .* \(and 2 more such answers"
    ):
        catalog.load(V1, Source("SQUAD_DIR"))


def test_a_training_question_is_not_evaluated_on(folder, reliability):
    (folder / "dev-v1.1.json").write_bytes((folder / "train-v1.1.json").read_bytes() + b"\n")

    with pytest.raises(BadInput) as problem:
        catalog.load(V1, Source("SQUAD_DIR"))
    said = str(problem.value).replace("squad/", "")
    reliability(
        "Bringing data",
        "training questions in SQuAD's evaluation file",
        happens=said,
        kept="nothing is trained; other tasks run",
    )


def test_missing_files_are_named(folder):
    (folder / "train-v2.0.json").unlink()
    (folder / "dev-v2.0.json").unlink()

    with pytest.raises(Missing, match=r"no data of squad2: no file .*train-v2\.0\.json and no .*dev-v2\.0\.json"):
        catalog.require(V2, Source("SQUAD_DIR"))


def test_where_the_beginning_would_do_a_missing_file_names_both(folder):
    (folder / "train-v1.1.json").unlink()

    with pytest.raises(Missing, match=r"train-v1\.1\.json or train-v1\.1\.partial\.json$"):
        catalog.require(V1, Source("SQUAD_DIR", train_questions=9))


def test_without_SQUAD_DIR_local_files_are_missing_and_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("SQUAD_DIR", raising=False)

    with pytest.raises(Missing, match="set SQUAD_DIR to a folder"):
        catalog.require(V1, Source("SQUAD_DIR"))


def test_a_recipe_that_wants_the_beginning_may_read_it_from_the_file_that_holds_only_that(folder):
    wanted = Source("SQUAD_DIR", train_questions=100)
    whole = catalog.load(V1, wanted)
    (folder / "train-v1.1.json").rename(folder / "train-v1.1.partial.json")
    beginning = catalog.load(V1, wanted)

    assert len(whole.train) == 100
    assert beginning == whole  # the fingerprint, too: the same questions are the same data


def test_a_recipe_that_wants_the_whole_file_does_not_take_its_beginning(folder):
    (folder / "train-v1.1.json").rename(folder / "train-v1.1.partial.json")

    with pytest.raises(Missing, match=r"no file .*train-v1\.1\.json$"):
        catalog.load(V1, Source("SQUAD_DIR"))


def test_a_file_with_fewer_questions_than_the_recipe_trains_on_is_refused(folder):
    with pytest.raises(
        BadInput, match=r"train-v1\.1\.json: holds 400 questions, and the recipe trains on the first 401"
    ):
        catalog.load(V1, Source("SQUAD_DIR", train_questions=401))


def test_other_questions_are_another_fingerprint(folder):
    wanted = Source("SQUAD_DIR")
    before = catalog.load(V1, wanted).fingerprint
    write(folder / "dev-v1.1.json", content(entry()))

    assert catalog.load(V1, wanted).fingerprint != before


def test_evaluation_that_asks_only_training_questions_is_refused_with_both_paths(folder):
    first = json.loads((folder / "train-v1.1.json").read_text())["data"][0]["paragraphs"][0]
    write(folder / "dev-v1.1.json", content(first["qas"][0] | {"id": "new"}, context=first["context"]))

    with pytest.raises(BadInput, match=r"dev-v1\.1\.json: every text in it also stands in .*train-v1\.1\.json"):
        catalog.load(V1, Source("SQUAD_DIR"))


@pytest.fixture
def hub_copy(tmp_path, monkeypatch):
    """SQuAD v2.0 laid out as the hub's copy is, in its cache on this machine."""
    import datasets
    import huggingface_hub

    monkeypatch.delenv("SQUAD_DIR", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "hub"))
    answers = [{"text": ["Oslo"], "answer_start": [12]}, {"text": [], "answer_start": []}]
    rows = {"title": ["Rain"] * 2, "context": [CONTEXT] * 2}
    for name in ("train", "validation"):
        path = tmp_path / "hub" / "squad_v2" / f"{name}-00000-of-00001.parquet"
        ids = {"id": [f"{name}/a", f"{name}/b"], "question": [f"Where? ({name})"] * 2}
        datasets.Dataset.from_dict(rows | ids | {"answers": answers}).to_parquet(path)
    return tmp_path / "hub" / "squad_v2"


def test_the_hubs_copy_is_read_as_the_files_are(hub_copy):
    data = catalog.load(V2, Source("rajpurkar/squad_v2", "pinned"))

    def wanted(split):
        marked = {"a": ((12, "Oslo"),), "b": ()}
        return [
            Question(f"{split}/{name}", "Rain", f"Where? ({split})", CONTEXT, answers)
            for name, answers in marked.items()
        ]

    assert data.train == wanted("train")
    assert data.evaluate == {"squad2": wanted("validation")}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"text": [" "], "answer_start": [12]}, r"row 0, question 'a': the answer at character 12 is empty"),
        ({"text": ["Oslo", "Bergen"], "answer_start": [12]}, r"row 0: 1 places for 2 answers"),
        (None, r"row 0: 'answers' is None, wanted is a JSON object"),
    ],
)
def test_a_row_of_the_hubs_copy_that_does_not_fit_is_refused_at_its_place(hub_copy, answers, problem):
    import datasets

    row = {"id": "a", "title": "Rain", "context": CONTEXT, "question": "Where?", "answers": answers}
    empty = row | {"id": "b", "answers": {"text": ["x"], "answer_start": [0]}}
    datasets.Dataset.from_list([row, empty]).to_parquet(hub_copy / "train-00000-of-00001.parquet")

    with pytest.raises(BadInput, match=rf"rajpurkar/squad_v2 train: {problem}"):
        catalog.load(V2, Source("rajpurkar/squad_v2", "pinned"))


@pytest.mark.parametrize("damage", ["removed", "one of two"])
def test_an_incomplete_copy_of_the_hubs_files_is_not_trained_on(hub_copy, damage):
    path = hub_copy / "validation-00000-of-00001.parquet"
    path.unlink() if damage == "removed" else path.rename(hub_copy / "validation-00000-of-00002.parquet")

    with pytest.raises(Missing, match="or set SQUAD_DIR to a folder that holds it"):
        catalog.load(V2, Source("rajpurkar/squad_v2", "pinned"))


@pytest.mark.parametrize(
    ("task", "file", "count", "unanswerable"), [(V1, "dev-v1.1.json", 10_570, 0), (V2, "dev-v2.0.json", 11_873, 5_945)]
)
def test_the_real_files_lose_no_question(squad_dir, task, file, count, unanswerable):
    questions = task.questions(squad_dir / file)

    assert (len(questions),) == task.rows[task.name] == (count,)
    assert sum(not one.answers for one in questions) == unanswerable
    assert not any(one.misplaced for one in questions)


def test_the_mini_suite_trains_on_the_first_4370_real_questions(squad_dir):
    data = catalog.load(V1, Source("SQUAD_DIR", train_questions=4370))

    assert (len(data.train), len({one.article for one in data.train})) == (4370, 12)
    assert data.set_aside == ()


@pytest.mark.parametrize("task", [V1, V2])
def test_generated_files_are_read_without_a_misplaced_answer(folder, task):
    data = catalog.load(task, Source("SQUAD_DIR"))

    assert (len(data.train), len(data.evaluate[task.name])) == (400, 250)
    assert data.set_aside == ()
    assert any(not one.answers for one in data.train) is task.unanswerable
