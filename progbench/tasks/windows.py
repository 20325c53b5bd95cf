"""A context as overlapping windows of tokens, and an answer as a span of tokens and back. No torch.

As in transformers' run_qa.py, windows overlap by `doc_stride` tokens, and question and window together are `max_length`
tokens. They lie in a memory-mapped file, so that a training set's tokens are never Python lists in memory.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progbench.errors import BadInput
from progbench.tasks.squad import Question

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedTokenizerBase

TOKENIZED_AT_ONCE = 200


@dataclass(frozen=True)
class Windows:
    """One split's windows: a row each on disk, their lengths in tokens, and which answers no span of tokens equals.

    `inputs` are the columns that go into the model. Of the questions' first answers, `inside` names those that begin or
    end within a token or with a space ("gold" in "golden": trained as "golden"), and `unheld` those that no window
    holds whole.
    """

    rows: datasets.Dataset
    inputs: list[str]
    lengths: list[int]
    inside: list[str]
    unheld: list[str]

    def __len__(self) -> int:
        return len(self.lengths)

    def words(self) -> set[int]:
        """The token ids that occur in these windows, without loading them all at once."""
        import pyarrow.compute

        return set(pyarrow.compute.unique(pyarrow.compute.list_flatten(self.rows.data.column("input_ids"))).to_pylist())


def locate(starts: Sequence[int], ends: Sequence[int], start: int, end: int) -> tuple[int, int] | None:
    """The first and the last token that hold characters `start` to `end` (exclusive) of the context.

    >>> locate([0, 5, 8], [4, 7, 12], start=5, end=12)  # "Oslo is cold"
    (1, 2)

    `starts` and `ends` are the tokens' own characters. None where the window does not hold them all.
    """
    if not starts or start < starts[0] or end > ends[-1]:
        return None
    first, last = bisect_right(ends, start), bisect_left(starts, end) - 1
    return (first, last) if first <= last else None


def whole(context: str, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int]]:
    """For each token's characters those and the dropped ones beside them; `spans` are of all of the context's tokens.

    >>> whole("Cafe\\u0301 in\\u200b Oslo", [(0, 4), (6, 8), (10, 14)])
    {(0, 4): (0, 5), (6, 8): (6, 9), (10, 14): (10, 14)}

    A tokenizer's normaliser drops accents that are characters of their own, and characters without a width; an answer
    may end in one. A dropped character belongs to the token that it touches, between two to the one before.
    """
    spans = sorted({*spans})
    wholes = {span: span for span in spans}
    for before, after in zip([None, *spans], [*spans, None], strict=True):
        begin, end = before[1] if before else 0, after[0] if after else len(context)
        gap = context[begin:end]
        if not gap or gap.isspace():
            continue
        runs = gap.split()
        if before and not gap[0].isspace():
            wholes[before] = wholes[before][0], begin + len(runs[0])
        if after and not gap[-1].isspace() and (len(runs[0]) < len(gap) or not before):
            wholes[after] = end - len(runs[-1]), after[1]
    return wholes


def write(
    questions: Sequence[Question],
    tokenizer: PreTrainedTokenizerBase,
    path: Path,
    *,
    max_length: int,
    doc_stride: int,
    label: str = "",
) -> Windows:
    """Cut every question's context into windows and write them to `path`, an Arrow file.

    Each row has the model's inputs; `start_positions` and `end_positions`, the tokens of the question's first answer
    (0, the classification token, where the window does not hold it, as run_qa.py has it); `question`, the question's
    number; and `starts` and `ends`, the characters of each token of the context (`whole`), the first of which is
    `context_at`. Raises BadInput for a slow tokenizer, and for a question that leaves no room for a window.
    """
    import datasets
    from datasets.arrow_writer import ArrowWriter
    from tqdm import tqdm

    if not tokenizer.is_fast:
        raise BadInput(
            f"{type(tokenizer).__name__} does not say which characters a token came from, so that an answer could not "
            "be found again in its context: a fast tokenizer (tokenizer.json) is needed"
        )
    numbers = {name: datasets.Value("int32") for name in _SCALARS}
    lists = {name: datasets.Sequence(datasets.Value("int32")) for name in (*inputs(tokenizer), "starts", "ends")}
    lengths, inside, unheld = [], [], []
    writer = ArrowWriter(path=str(path), features=datasets.Features(numbers | lists))
    with tqdm(total=len(questions), desc=label, unit="question", disable=None, leave=False) as progress:
        for begin in range(0, len(questions), TOKENIZED_AT_ONCE):
            chunk = questions[begin : begin + TOKENIZED_AT_ONCE]
            try:
                rows = list(_rows(chunk, begin, tokenizer, max_length, doc_stride, inside, unheld))
            except BadInput as problem:
                raise BadInput(f"{label}: {problem}" if label else str(problem)) from None
            writer.write_batch({name: [row[name] for row in rows] for name in rows[0]})
            lengths += [len(row["input_ids"]) for row in rows]
            progress.update(len(chunk))
    writer.finalize()
    writer.close()
    return Windows(datasets.Dataset.from_file(str(path)), inputs(tokenizer), lengths, inside, unheld)


_SCALARS = ("question", "context_at", "start_positions", "end_positions")


def inputs(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The columns that go into the model; the attention mask is made with the batch."""
    return [name for name in tokenizer.model_input_names if name != "attention_mask"]


def _rows(
    questions: Sequence[Question],
    begin: int,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    doc_stride: int,
    inside: list[str],
    unheld: list[str],
) -> Iterator[dict[str, Any]]:
    """The rows of some questions' windows; appends to `inside` and `unheld` what `Windows` has under these names."""
    texts = [question.text.lstrip() for question in questions]
    _require_room(questions, texts, tokenizer, max_length, doc_stride)
    encoded = tokenizer(
        texts,
        [question.context for question in questions],
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    held: dict[int, bool] = {}
    placed: list[tuple[int, list[tuple[int, int]]]] = []
    spans: list[set[tuple[int, int]]] = [set() for _ in questions]
    for number, (sample, offsets) in enumerate(
        zip(encoded["overflow_to_sample_mapping"], encoded["offset_mapping"], strict=True)
    ):
        sequence = encoded.sequence_ids(number)
        at = sequence.index(1) if 1 in sequence else len(sequence)
        placed.append((at, offsets[at : at + sequence.count(1)]))  # one text's tokens stand together
        spans[sample].update(placed[-1][1])
    grown = [whole(question.context, own) for question, own in zip(questions, spans, strict=True)]
    for number, (sample, (at, context)) in enumerate(zip(encoded["overflow_to_sample_mapping"], placed, strict=True)):
        question = questions[sample]
        starts, ends = ([grown[sample][span][edge] for span in context] for edge in (0, 1))
        answer = None
        if question.answers:
            start, text = question.answers[0]
            end = start + len(text)
            answer = _held(context, starts, ends, end - len(text.lstrip()), start + len(text.rstrip()))
            held[sample] = held.get(sample, False) or answer is not None
        yield {
            **{name: encoded[name][number] for name in inputs(tokenizer)},
            "question": begin + sample,
            "context_at": at,
            "start_positions": at + answer[0] if answer else 0,
            "end_positions": at + answer[1] if answer else 0,
            "starts": starts,
            "ends": ends,
        }
        if answer and (starts[answer[0]], ends[answer[1]]) != (start, end):
            tokens = question.context[starts[answer[0]] : ends[answer[1]]]
            line = f"{question.where}: the answer {text!r} at character {start} becomes {tokens!r}, whole tokens"
            if line not in inside[-1:]:
                inside.append(line)
    unheld += [
        f"{questions[sample].where}: no window holds the answer at character {questions[sample].answers[0][0]} whole"
        for sample, whole in held.items()
        if not whole
    ]


def _held(
    context: Sequence[tuple[int, int]], starts: Sequence[int], ends: Sequence[int], start: int, end: int
) -> tuple[int, int] | None:
    """`locate` by the tokens' own characters; at a window's edges the dropped ones (`starts`, `ends`) are held too."""
    if context and starts[0] <= start < context[0][0]:
        start = context[0][0]
    if context and context[-1][1] < end <= ends[-1]:
        end = context[-1][1]
    return locate([first for first, _ in context], [last for _, last in context], start, end)


def _require_room(questions, texts: list[str], tokenizer, max_length: int, doc_stride: int) -> None:
    """Raise BadInput for a question after which windows of this overlap could not move on."""
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    for question, ids in zip(questions, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True):
        if room - len(ids) <= doc_stride:
            raise BadInput(
                f"{question.where}: {len(ids)} tokens of question leave {max(0, room - len(ids))} of max_length = "
                f"{max_length} for the context, and its windows overlap by doc_stride = {doc_stride}: raise the "
                "recipe's max_length, or lower its doc_stride"
            )
