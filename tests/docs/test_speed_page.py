"""What docs/speed.md says is so: its tables are what was measured, and its words follow from them."""

import json
import re

import grid
import pages
import pytest
from pages import ROOT
from speed_tables import Speed

PAGE = pages.read("docs/speed.md")
WORDS = " ".join(PAGE.split())
MEASURED = sorted((ROOT / "benchmarks" / "measured").glob("*.json"))


@pytest.mark.parametrize("suite", ["mini", "paper", "zen3"])
def test_the_tables_of_speed_are_those_that_were_measured(suite):
    files = [path for path in MEASURED if path.name.startswith(suite)]

    assert Speed.read(*files).as_markdown() in PAGE


def test_where_and_when_speed_was_measured_is_said():
    made = [json.loads(path.read_text(encoding="utf-8"))["environment"] for path in MEASURED]

    assert made
    for one in made:
        said = (
            one["commit"][:7],
            one["date"][:10],
            one["cpu_model"],
            f"Python {one['python']}",
            f"torch {one['torch']}",
        )
        assert [word for word in said if word not in WORDS] == []


def ratios(case, *, beyond_padding=False):
    """The ratios of every row of a kind of case; or what they are beyond padding."""
    rows = [one for path in MEASURED for one in json.loads(path.read_text(encoding="utf-8"))["steps"]]
    found = {(one["model"], one["task"]): one for one in rows if re.fullmatch(case, one["case"])}
    return {key: one["ratio"] / (one["bound"] if beyond_padding else 1) for key, one in found.items()}


def test_the_range_of_what_float32_gains_beyond_padding_is_that_of_the_tables():
    found = ratios(r"(full|lora)-fp32-default(-\w+)?", beyond_padding=True)
    highest = found.pop(("minilm", "squad1"))

    assert f"{min(found.values()):.1f} to {max(found.values()):.1f} times beyond that ({highest:.1f} times for" in WORDS


def test_the_range_of_the_ratios_in_bfloat16_is_that_of_the_tables():
    full, lora, cached = (ratios(case) for case in (r"full-bf16-tuned-\w+", "lora-bf16-tuned-sst2", ".*-cached"))
    small, large = (("minilm", "sst2"), ("bert-base", "sst2"))

    assert f"{min(full.values()):.2f} to {max(full.values()):.2f} with fine-tuning" in WORDS
    assert f"{lora[small]:.2f} (MiniLM) and {lora[large]:.2f} (BERT-base) with LoRA" in WORDS
    assert f"{cached[small]:.2f} and {cached[large]:.2f} with LoRA and its prefix cache" in WORDS


def test_every_column_of_the_tables_is_explained_or_a_plain_name():
    headings = [one.strip() for one in re.search(r"^\| model +\| case.*", PAGE, re.MULTILINE).group().split("|")[1:-1]]
    explained = [pages.bare(name) for name, _ in pages.table(PAGE, "column")]

    assert [name for name in headings if name not in (*explained, "model", "task")] == []


GPU = pages.section(PAGE, "On a GPU")
PROJECTED = ("table1", "table2", "table4")


def milliseconds():
    """The table of the GPU: by model and task, the three precisions' times of ours, padded, and padded as a graph."""
    return {
        (model, task.partition(" ")[0].rstrip(",")): [
            [float(one) for one in re.findall(r"[\d.]+(?= |$)", side)] for side in sides
        ]
        for model, task, *sides in pages.table(GPU, "model")
    }


def test_the_gpu_its_versions_the_commit_and_the_date_are_named():
    words = " ".join(GPU.split())
    said = ("H100 80GB", "2026-11-26", "d9d14fd", "Python 3.12", "torch 2.11.0+cu130", "transformers 5.17.0")

    assert [one for one in said if one not in words] == []


def test_on_the_gpu_ours_is_slower_than_padding_but_for_padding_to_128_in_fp32():
    found = milliseconds()
    faster = set()
    for model, task in [(model, task) for model in ("BERT-base", "BERT-large") for task in ("SST-2", "MNLI")]:
        for name in (task, "any"):
            both = zip(("fp32", "tf32", "bf16"), found[model, task][0], found[model, name][1], strict=True)
            faster |= {(name, precision) for precision, ours, padded in both if ours < padded}

    assert (
        "slower than that of the plain padded Hugging Face model, except against padding to 128 tokens in fp32" in WORDS
    )
    assert faster == {("any", "fp32")}


def test_the_launches_that_make_it_slow_are_counted():
    assert "A step of ours made 1,396 kernel launches" in GPU


def test_the_projection_is_called_one_and_follows_from_its_own_numbers():
    words = GPU.partition("**The whole paper: a projection.**")[2]
    million, rate, hours = re.search(
        r"take ([\d.]+) million steps.*?At (\d+) steps per second that is (\d+) hours", words, re.DOTALL
    ).groups()

    assert million == f"{grid.steps(*PROJECTED) / 1e6:.1f}"
    assert round(float(million) * 1e6 / int(rate) / 3600) == int(hours)


def test_what_sharing_epochs_saves_and_the_other_tables_add_follows_from_the_recipes():
    saved, added = grid.shared_steps(*PROJECTED), grid.steps() - grid.steps(*PROJECTED)

    assert f"saves {100 * saved / grid.steps(*PROJECTED):.0f} % of these steps" in WORDS
    assert f"Figure 1 and Table 5 add {100 * added / grid.steps(*PROJECTED):.0f} %" in WORDS


def test_the_first_lines_say_what_was_measured_on_a_card_what_was_counted_and_what_never_ran():
    lines = [line for line in PAGE.partition("## How to")[0].splitlines() if line.startswith("- ")]

    assert [line[4:].partition("**")[0] for line in lines] == [
        "Measured on a card", "Counted, on no card", "Never run on any card", "Measured on a CPU",
    ]  # fmt: skip


def test_the_ratios_of_what_was_counted_follow_from_the_numbers_beside_them():
    for _, moved, less, launched, fewer, _, _ in pages.table(GPU, "shape"):
        for numbers, ratio in ((moved, less), (launched, fewer)):
            then, now = (float(one) for one in numbers.split(", "))
            assert now / then == pytest.approx(float(ratio), abs=0.006)


def test_the_hours_that_were_counted_are_the_sum_of_the_tables():
    words = re.search(r"takes (\d+) hours then and (\d+) now: (.*?)\. ", WORDS)
    tables = [[float(one) for one in pair] for pair in re.findall(r"([\d.]+) and ([\d.]+)", words[3])]

    assert [round(sum(one)) for one in zip(*tables, strict=True)] == [int(words[1]), int(words[2])]
