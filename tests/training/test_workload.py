"""What a task gives the trainer: rows, and scores, of classes and of answers."""

import dataclasses
import math

import pytest
import torch
import transformers

from progbench.errors import BadInput
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog, remarks, squad, windows
from progbench.tasks.glue import Data, Examples, glue_tasks
from progbench.tasks.source import Source
from progbench.training import answering, scoring, workload


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_correlation_with_constant_predictions_is_an_error_and_no_score():
    torch.manual_seed(0)
    model = loading.build(spec("tiny-bert"), num_labels=1)
    model.classifier.weight.data.zero_()
    tokenizer = toy_tokenizer.build("bert")
    rows = workload.encode(Examples((["fox", "dog"], ["cat", "cat"]), [1.0, 4.0]), tokenizer, 32)

    infer = scoring.alone(transformers.DataCollatorWithPadding(tokenizer))
    (found,) = scoring.classes(model, rows, infer, glue_tasks()["stsb"])

    assert isinstance(found, scoring.NonFinite)
    assert str(found).startswith("stsb: pearson, spearman undefined")


def test_a_model_whose_outputs_are_not_finite_is_not_scored():
    model = loading.build(spec("tiny-bert"), num_labels=2)
    model.classifier.weight.data.fill_(math.nan)
    tokenizer = toy_tokenizer.build("bert")
    rows = workload.encode(Examples((["fox", "dog"],), [0, 1]), tokenizer, 32)

    infer = scoring.alone(transformers.DataCollatorWithPadding(tokenizer))
    (found,) = scoring.classes(model, rows, infer, glue_tasks()["sst2"])

    assert isinstance(found, scoring.NonFinite)
    assert str(found) == "sst2: the model's outputs are not finite"


def test_an_example_longer_than_the_recipes_maximum_is_cut_to_it():
    examples = Examples(([" ".join(["fox"] * 50)], [" ".join(["dog"] * 20)]), [0])

    assert len(workload.encode(examples, toy_tokenizer.build("bert"), 32)[0]["input_ids"]) == 32


def test_a_file_that_may_have_been_cut_is_a_note(smoke_recipe, tmp_path):
    train, dev = Examples((["fox"],), [0], unended="train.tsv:1: cut"), Examples((["dog"],), [1])
    data = Data(train, {"sst2": dev}, "")
    made = workload.tokenise(
        catalog.tasks()["sst2"], data, toy_tokenizer.build("bert"), smoke_recipe(task="sst2"), tmp_path
    )

    assert made.notes == ["train.tsv:1: cut"]


def test_the_words_are_those_of_every_split(smoke_recipe, tmp_path):
    tokenizer, wanted = toy_tokenizer.build("bert"), smoke_recipe(task="sst2")
    data = Data(Examples((["fox"],), [0]), {"sst2": Examples((["dog cat"],), [1])}, "")
    made = workload.tokenise(catalog.tasks()["sst2"], data, tokenizer, wanted, tmp_path)

    assert made.words == set(tokenizer("fox dog cat")["input_ids"])


def test_the_words_of_questions_are_those_of_every_window(tmp_path):
    tokenizer = toy_tokenizer.build("bert")
    wanted = reading.read("smoke", "squad", model="tiny-bert", schedule="constant", task="squad1")
    asked = [
        squad.Question(name, "A", "where was fox ?", text, ((0, text),)) for name, text in (("a", "dog"), ("b", "cat"))
    ]
    data = squad.SquadData(asked[:1], {"squad1": asked[1:]}, (), "")
    made = workload.tokenise(catalog.tasks()["squad1"], data, tokenizer, wanted, tmp_path)

    assert made.words == set(tokenizer("where was fox ?", "dog cat")["input_ids"])


NONE = -100.0


def spans(start, end, context=None, n_best=20, max_answer_length=30):
    start, end = torch.tensor([start]), torch.tensor([end])
    context = torch.tensor([context]) if context else torch.ones(start.shape, dtype=torch.bool)
    score, first, last = (part.item() for part in answering.best_spans(start, end, context, n_best, max_answer_length))
    return (first, last) if math.isfinite(score) else None


# starts, ends, what else is asked, the best span
SPANS = {
    "the highest sum of a start and a later end": ([5, 0, 3], [1, 0, 4], {}, (0, 2)),  # 5 + 4, not 5 + 1 or 3 + 4
    "it does not end before it starts": ([0, 0, 9], [9, 1, 2], {}, (2, 2)),  # 9 + 9 would be (2, 0)
    "as many tokens as allowed": ([9, 0, 1], [0, 0, 9], {"max_answer_length": 3}, (0, 2)),
    "no more of them": ([9, 0, 1], [0, 0, 9], {"max_answer_length": 2}, (2, 2)),
    "within the context": ([9, 1, 0], [9, 0, 1], {"context": [False, True, True]}, (1, 2)),
    "no context, no span": ([9, 1], [9, 1], {"context": [False, False]}, None),
    # the two best starts lie after the two best ends: with two candidates nothing fits
    "of the n best starts and ends": ([2, 1, 9, 8], [9, 8, 1, 4], {"n_best": 2}, None),
    "of one more": ([2, 1, 9, 8], [9, 8, 1, 4], {"n_best": 3}, (2, 3)),
}


@pytest.mark.parametrize(("start", "end", "options", "found"), SPANS.values(), ids=SPANS)
def test_the_best_span_is(start, end, options, found):
    assert spans([*map(float, start)], [*map(float, end)], **options) == found


def test_best_spans_equal_an_exhaustive_search_over_random_scores():
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(50, 12, generator=generator), torch.randn(50, 12, generator=generator)
    context = torch.ones(50, 12, dtype=torch.bool)
    context[:, :3] = False
    score, first, last = answering.best_spans(start, end, context, n_best=12, max_answer_length=4)

    for row in range(50):
        every = {(a, b): float(start[row, a] + end[row, b]) for a in range(3, 12) for b in range(a, min(a + 4, 12))}
        assert (int(first[row]), int(last[row])) == max(every, key=every.get)
        assert float(score[row]) == pytest.approx(max(every.values()))


class Scripted(torch.nn.Module):
    """A model whose scores are made up: high for the words it is told to answer with, `null` for token 0."""

    def __init__(self, tokenizer, start, end, null):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        vocabulary = tokenizer.get_vocab()
        self.start, self.end, self.null = vocabulary[start], vocabulary[end], null

    def forward(self, input_ids, attention_mask, **rest):
        scores = [(input_ids == word).float() * 10 for word in (self.start, self.end)]
        for part in scores:
            part[:, 0] = self.null
        return transformers.modeling_outputs.QuestionAnsweringModelOutput(start_logits=scores[0], end_logits=scores[1])


LONG = " . ".join(["fox sees dog"] * 20)


def answered(tmp_path, context, start, end, null=0.0, task="squad1", **changes):
    tokenizer = toy_tokenizer.build("bert")
    wanted = reading.read("smoke", "squad", model="tiny-bert", schedule="constant", task=task)
    wanted = dataclasses.replace(wanted, **changes)
    questions = [squad.Question("q", "A", "where was fox ?", context, ())]
    cut = windows.write(questions, tokenizer, tmp_path / "w.arrow", max_length=32, doc_stride=8)
    collate = transformers.DataCollatorWithPadding(tokenizer)
    model, infer = Scripted(tokenizer, start, end, null), scoring.alone(collate)
    (found,) = answering.answers(model, questions, cut, infer, wanted)
    return found if isinstance(found, scoring.NonFinite) else found[0]


@pytest.mark.parametrize("before", ["", LONG + " . "])
@pytest.mark.parametrize("after", ["", " . " + LONG])
def test_the_answer_is_the_contexts_own_text_from_whatever_window_holds_it(tmp_path, before, after):
    assert answered(tmp_path, f"{before}cat likes Warm  Oslo{after}", "warm", "oslo") == "Warm  Oslo"


def test_a_context_without_words_is_answered_with_nothing(tmp_path):
    assert answered(tmp_path, "   ", "warm", "oslo") == ""


@pytest.mark.parametrize(("null", "found"), [(9.9, "Oslo"), (10.1, "")])
def test_v2_answers_nothing_when_that_scores_higher_than_the_best_span(tmp_path, null, found):
    assert answered(tmp_path, "cat likes Oslo", "oslo", "oslo", null, "squad2") == found


@pytest.mark.parametrize(("threshold", "found"), [(-1.0, ""), (1.0, "Oslo")])
def test_the_recipes_threshold_moves_the_border_between_answer_and_none(tmp_path, threshold, found):
    # "no answer" scores 2 * 10 and the best span as much
    assert answered(tmp_path, "cat likes Oslo", "oslo", "oslo", 10.0, "squad2", null_threshold=threshold) == found


def test_evaluation_batches_hold_every_row_once_and_few_tokens():
    lengths = [(37 * i) % 384 + 1 for i in range(1000)]
    batches = list(scoring.by_length(lengths))

    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    assert all(len(batch) * max(lengths[i] for i in batch) <= scoring.EVALUATION_TOKENS for batch in batches)


def test_v1_always_answers(tmp_path):
    assert answered(tmp_path, "cat likes Oslo", "oslo", "oslo", 99.0) == "Oslo"


def test_of_several_windows_the_one_surest_of_an_answer_speaks_for_no_answer(tmp_path):
    """run_qa.py takes the lowest score for "no answer" over a question's windows."""

    class Wavering(Scripted):
        def forward(self, input_ids, **rest):
            outputs = super().forward(input_ids, **rest)
            holds = (input_ids == self.start).any(dim=1)
            outputs.start_logits[:, 0] = torch.where(holds, 0.0, 50.0)
            return outputs

    tokenizer = toy_tokenizer.build("bert")
    wanted = reading.read("smoke", "squad", model="tiny-bert", schedule="constant", task="squad2")
    questions = [squad.Question("q", "A", "where was fox ?", f"{LONG} . Oslo", ())]
    cut = windows.write(questions, tokenizer, tmp_path / "w.arrow", max_length=32, doc_stride=8)
    model = Wavering(tokenizer, "oslo", "oslo", 0.0)

    assert len(cut) > 2
    infer = scoring.alone(transformers.DataCollatorWithPadding(tokenizer))
    assert answering.answers(model, questions, cut, infer, wanted) == [["Oslo"]]


def test_answers_of_a_model_whose_outputs_are_not_finite_are_no_answers(tmp_path):
    found = answered(tmp_path, "cat likes Oslo", "oslo", "oslo", math.nan)

    assert str(found) == "squad1: the model's outputs are not finite"


def test_answers_off_token_borders_and_held_by_no_window_are_counted_in_the_notes(tmp_path):
    wanted = reading.read("smoke", "squad", model="tiny-bert", schedule="constant", task="squad1")
    asked = [
        squad.Question("a", "A", "where was fox ?", "cat likes Oslo", ((4, "like"),)),
        squad.Question("b", "A", "where was fox ?", LONG, ((0, LONG),)),
    ]
    data = squad.SquadData(asked, {}, ("A: no answers",), "")
    made = workload.tokenise(catalog.tasks()["squad1"], data, toy_tokenizer.build("bert"), wanted, tmp_path)

    assert [note.partition(" (")[0] for note in made.notes] == [
        "training questions set aside: 1",
        "training answers held whole by no window: 1",
        "training answers not on token borders: 1",
    ]


def test_a_question_that_leaves_no_room_for_a_window_is_refused_with_its_split_and_what_to_do(tmp_path):
    wanted = reading.read("smoke", "squad", model="tiny-bert", schedule="constant", task="squad1")
    asked = [squad.Question("q7", "A", " ".join(["fox"] * wanted.max_length), "cat likes Oslo", ((10, "Oslo"),))]
    data = squad.SquadData([], {"squad1": asked}, (), "")

    with pytest.raises(BadInput, match=r": windows of squad1: article 'A', question 'q7': .*: raise the recipe's max_"):
        workload.tokenise(catalog.tasks()["squad1"], data, toy_tokenizer.build("bert"), wanted, tmp_path)


def remarks_on(smoke_recipe, tmp_path, dataset, train, dev):
    data = Data(train, {"sst2": dev}, "")
    recipe = smoke_recipe(task="sst2", dataset=dataset, max_length=8)
    return workload.tokenise(catalog.tasks()["sst2"], data, toy_tokenizer.build("bert"), recipe, tmp_path).notes


OVER, FITS = " ".join(["fox"] * 7), " ".join(["fox"] * 6)  # with [CLS] and [SEP] 9 and 8 tokens


def test_texts_of_evaluation_that_are_cut_or_stand_in_train_are_noted_and_counted(smoke_recipe, tmp_path):
    train = Examples((["dog", "cat", OVER],), [0, 1, 1])
    dev = Examples((["dog", "cat", OVER, FITS, FITS],), [0, 0, 1, 0, 1])

    assert remarks_on(smoke_recipe, tmp_path, "GLUE_DIR", train, dev) == [
        "1 of 5 texts of sst2 are cut at 8 tokens",
        "3 of 5 texts of sst2 also stand in train, 1 with another label; 1 stands in sst2 with two labels: "
        "not all can be right",
    ]
    assert remarks_on(smoke_recipe, tmp_path, "toy", train, dev) == []  # generated texts are few and short


def test_texts_that_nobody_has_seen_and_that_fit_are_no_note(smoke_recipe, tmp_path):
    train, dev = Examples((["dog"],), [0]), Examples(([FITS],), [1])

    assert remarks_on(smoke_recipe, tmp_path, "GLUE_DIR", train, dev) == []


def test_colas_published_sentences_that_cannot_all_be_right_are_counted(glue_dir):
    data = glue_tasks()["cola"].read(glue_dir, Source("GLUE_DIR"))
    texts, known = (list(zip(*one.texts, strict=True)) for one in (data.evaluate["cola"], data.train))

    assert remarks.doubles("cola", texts, data.evaluate["cola"].labels, known, data.train.labels) == (
        "16 of 1,043 texts of cola also stand in train, 2 with another label; 3 stand in cola with two labels: "
        "not all can be right"
    )
