"""The report as one HTML file: what it shows, and that no name in it does anything."""

import base64
import hashlib
import html.parser
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import HOSTILE, MIXED, entry, everything, run, verdict

from progbench.report import cells, figures
from progbench.report import html as html_view
from progbench.report.report import Report
from progbench.report.writing import write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REPORT = Report(
    "paper",
    [
        verdict("m-constant-rte", recipes=("m-constant-rte/d1",), low=-0.25, high=0.75),
        verdict("m-shrinking-rte", "deviates", row="M PT", difference=-8.0, direction="low"),
        verdict("m-constant-avg", kind="derived", column="Avg", recipes=("m-constant-rte/d1", "m-constant-cola/d1")),
    ],
    {"commit": "c0ffee"},
    ledger=[entry("m-constant-rte", runs=[run(0), run(1)]), entry("m-constant-cola")],
)


class Page(html.parser.HTMLParser):
    """A page's elements, and the text of each table cell."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.cells, self.title = [], [], ""
        self.where = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag in ("td", "th", "title", "p"):
            self.where = tag

    def handle_endtag(self, tag):
        self.where = "" if tag == self.where else self.where

    def handle_data(self, data):
        if self.where in ("td", "th"):
            self.cells[-1] += data
        if self.where == "title":
            self.title += data

    def attributes(self, name):
        return [found[name] for _, found in self.elements if name in found]


def written(report, folder):
    write(report, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return Page(written(REPORT, tmp_path_factory.mktemp("report")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report in which every text is hostile, and where it lies."""
    folder = tmp_path_factory.mktemp("hostile")
    return folder / "report.html", written(everything(HOSTILE, HOSTILE), folder)


def test_a_difference_has_its_sign_a_mark_its_outcome_in_words_and_a_colour_by_its_size_in_margins(page):
    assert {"−8.00✗ deviates (low)", "+0.25✓ reproduced"} <= set(page.cells)
    assert {"heat low3 deviates", "heat near reproduced"} <= set(page.attributes("class"))


def test_a_score_links_to_its_recipes_runs_and_an_average_to_all_of_them(page):
    links = [link for link in page.attributes("href") if link.startswith(("#run-", "#runs-"))]

    assert links == ["#run-1", "#runs-1"]


def test_every_link_within_the_page_leads_to_one_place(page):
    places = page.attributes("id")
    targets = {link[1:] for link in page.attributes("href") if link.startswith("#")}

    assert targets <= set(places)
    assert len(places) == len(set(places))


def test_a_run_is_listed_with_what_it_scored_took_and_where_it_was_made(page):
    cells = [cell.strip() for cell in page.cells]
    start = cells.index("0 (s/r/d/seed0.json)")

    assert "scores: rte accuracy" in cells[start - 1]
    assert cells[start : start + 9] == [
        "0 (s/r/d/seed0.json)", "66.50", "10", "100", "3", "500.0", "1", "c" * 10, "one",
    ]  # fmt: skip


def test_a_commit_and_a_machine_that_are_those_of_the_line_above_are_not_said_again(tmp_path):
    runs = [run(0), run(1), run(2, machine="other"), run(3)]  # the last cell of all runs on into the page
    cells = [cell.strip() for cell in Page(written(replace(REPORT, ledger=[entry(runs=runs)]), tmp_path)).cells]
    starts = [cells.index(f"{seed} (s/r/d/seed{seed}.json)") for seed in range(3)]

    assert [cells[start + 8] for start in starts] == ["one", "", "other"]


def test_a_run_links_to_its_file_as_seen_from_the_report(tmp_path):
    results = tmp_path / "some runs"
    (results / "s/r/d").mkdir(parents=True)
    (results / "s/r/d/seed0.json").touch()
    folder = tmp_path / "a" / "b"
    found = Page(written(replace(REPORT, runs=results), folder)).attributes("href")
    links = [link for link in found if link.endswith("seed0.json")]

    assert links[0] == "../../some%20runs/s/r/d/seed0.json"
    assert (folder / links[0].replace("%20", " ")).resolve().is_file()


def sections(text):
    """The page's parts by their heading."""
    parts = re.split(r"<h2[^>]*>(.*?)</h2>", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_what_is_undecided_is_not_said_to_disagree_and_has_a_heading_where_there_is_any(tmp_path):
    text = written(MIXED, tmp_path)
    found = sections(text)

    assert "inconclusive: 1 cell" not in found["What does not agree"]
    assert "inconclusive: 1 cell" in found["What is not decided"]
    assert {"#notable", "#undecided"} <= set(Page(text).attributes("href"))
    assert "What is not decided" not in sections(written(REPORT, tmp_path))


def test_colours_are_explained_before_the_first_table(tmp_path):
    text = written(REPORT, tmp_path)

    assert 0 < text.index('class="key"') < text.index("<table")


def test_a_sentence_has_real_minus_signs_and_a_name_its_hyphens(tmp_path):
    text = written(Report("paper", [verdict("m-constant-2", sentence="m-4-2: -0.5 (-1.0 to 3)")], {}), tmp_path)

    assert "m-4-2: −0.5 (−1.0 to 3)" in text


def test_nothing_is_fetched(tmp_path):
    text = written(replace(MIXED, ledger=REPORT.ledger), tmp_path)
    elements = Page(text).elements

    assert not re.search(r"@import|url\((?!#)|\bsrc=", text)
    assert {tag for tag, _ in elements}.isdisjoint({"link", "img", "iframe", "object", "embed"})
    assert {tag for tag, found in elements for value in found.values() if value and "http" in value} == {"a"}


def test_a_policy_in_the_page_allows_its_own_script_by_its_checksum_and_no_other(tmp_path):
    text = written(REPORT, tmp_path)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    checksum = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{checksum}'" in Page(text).attributes(
        "content"
    )


def test_hostile_names_are_text(hostile):
    _, text = hostile
    page = Page(text)

    assert [found for tag, found in page.elements if tag in ("script", "img")] == [{}]  # the page's own, which is known
    assert [name for _, found in page.elements for name in found if name.startswith("on")] == []
    assert any("<script>document.title='owned'</script>" in cell for cell in page.cells)
    assert "{{7*7}}" in text
    assert "\x1b" not in text and "\x07" not in text  # noqa: PT018


def test_figures_keep_their_ids_apart(tmp_path):
    rows = [verdict("m-constant-updated", table="Figure 4", kind="counted"), verdict()]
    places = Page(written(Report("paper", rows, {}), tmp_path)).attributes("id")

    assert any(place.startswith("forest-") for place in places)
    assert any(place.startswith("figure4-") for place in places)
    assert len(places) == len(set(places))


@pytest.fixture(scope="module")
def opened(hostile, tmp_path_factory):
    """What a browser makes of the hostile report, its scripts having had their chance."""
    if CHROMIUM is None:
        pytest.skip("no chromium here to open the report in")
    options = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-sync --no-first-run"
    profile = f"--user-data-dir={tmp_path_factory.mktemp('profile')}"
    command = [CHROMIUM, *options.split(), profile, "--dump-dom", hostile[0].as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_browser_shows_the_whole_report_and_runs_nothing_but_the_pages_own_script(opened):
    page = Page(opened)

    assert 'id="about"' in opened
    assert opened.rstrip().endswith("</html>")
    assert page.title.startswith("progbench: <script>")
    assert [tag for tag, _ in page.elements if tag in ("script", "img")] == ["script"]
    # the script has run: the form is shown, and each heading of the cells is a button
    assert re.search(r'<form id="filter">', opened)
    assert len(re.findall(r'<th scope="col"[^>]*><button type="button">', opened)) == 10
    assert re.search(r'<span id="shown" role="status">10 of 10 cells</span>', opened)


@pytest.mark.parametrize(("difference", "colour"), [(100 * 0.972 - 100 * 0.964, "high1"), (0.81, "high2")])
def test_a_difference_just_at_the_margin_has_the_colour_of_one_within_it(difference, colour):
    assert cells.heat(verdict(difference=difference, tolerance=0.8)) == colour


def test_without_a_script_the_form_that_would_do_nothing_is_hidden(page):
    assert [found for tag, found in page.elements if tag == "form"] == [{"id": "filter", "hidden": None}]


def test_every_table_can_be_reached_and_has_a_name_and_its_headings_a_scope(hostile):
    elements = Page(hostile[1]).elements
    regions = [found for _, found in elements if found.get("class") == "scroll"]
    headings = [found for tag, found in elements if tag == "th"]

    assert len(regions) > 5
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in regions)
    assert {one.get("scope") for one in headings} == {"col", "row", "rowgroup"}


NO_PRINT = {"expected": None, "printed": None, "difference": None}
NO_RUN = {"observed": None, "difference": None, "outcome": "missing"}
UNJUDGED = NO_PRINT | {"outcome": "unjudged"}


@pytest.mark.parametrize(
    ("suite", "values", "captions", "said"),
    [
        ("paper", NO_RUN, ["As printed"], "None of its 1 cells was run. This runs them: progbench reproduce -m glue"),
        ("mini", NO_RUN | NO_PRINT, [], "This runs them: progbench reproduce -m glue --suite mini"),
        ("mini", UNJUDGED, ["Ours: mean ± sd (seeds)"], "nothing yet to compare it with"),
        ("mini", UNJUDGED, ["Ours: mean ± sd (seeds)"], "-m glue --suite mini --update-reference"),
    ],
)  # fmt: skip
def test_a_table_that_nothing_is_compared_in_is_shown_once_with_the_command_that_changes_that(
    tmp_path, suite, values, captions, said
):
    text = written(Report(suite, [verdict(**values)], {}), tmp_path)

    assert re.findall(r"<caption>(.*?)</caption>", text) == captions
    assert said in text


def test_a_count_that_was_fitted_says_so_in_its_cell(tmp_path):
    text = written(Report("paper", [verdict(kind="counted", basis="fitted", rounding="both")], {}), tmp_path)

    assert 'reproduced</span> <span class="whole">fitted</span>' in text


def test_the_words_of_the_outcomes_are_explained_on_the_page(page):
    assert {"margin", "disputed", "consistent", "not-printed", "within-noise"} <= set(page.attributes("id"))
    assert "#margin" in page.attributes("href")


TASKS = "cola mnli-m mnli-mm mrpc qnli qqp rte sst2 stsb squad1".split()
NAMES = [
    f"model-{i}-{schedule}-{task}"
    for i in range(20)
    for schedule in ("constant", "shrinking", "growing", "without_low_blocks", "single_block_b1")
    for task in TASKS
]
LARGE = Report(
    "paper",
    [
        verdict(name, recipes=(f"{name}/d1",), row=name.rpartition("-")[0], column=name.rpartition("-")[2])
        for name in NAMES
    ],
    {},
    ledger=[entry(name, runs=[run(seed, file=f"paper/{name}/01234567/seed{seed}.json") for seed in range(10)])
            for name in NAMES],
    runs=Path("runs"),
)  # fmt: skip


def test_a_page_of_ten_thousand_results_has_at_most_two_megabytes(tmp_path):
    page = html_view.render(LARGE, {"forest.svg": figures.draw("forest.svg", LARGE)}, tmp_path)

    assert sum(len(one.runs) for one in LARGE.ledger) == 10_000
    assert len(page.encode()) <= 2_000_000
    assert page.count("its files</a>") == len(NAMES)
