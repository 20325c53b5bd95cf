"""The report as one HTML file: what it shows, and that no name in it does anything."""

import html.parser
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from made_up import HOSTILE, MIXED, entry, everything, run, verdict

from progbench.report import cells
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


def test_a_difference_has_its_sign_a_mark_and_its_outcome_in_words(page):
    assert "−8.00✗ deviates (low)" in page.cells
    assert "+0.25✓ reproduced" in page.cells


def test_a_difference_is_coloured_by_its_size_in_margins(page):
    assert "heat low3 deviates" in page.attributes("class")
    assert "heat near reproduced" in page.attributes("class")


def test_a_score_links_to_its_recipes_runs_and_an_average_to_all_of_them(page):
    links = [link for link in page.attributes("href") if link.startswith(("#run-", "#runs-"))]

    assert links == ["#run-1", "#runs-1"]


def test_every_link_within_the_page_leads_to_one_place(page):
    places = page.attributes("id")
    targets = {link[1:] for link in page.attributes("href") if link.startswith("#")}

    assert targets <= set(places)
    assert len(places) == len(set(places))


def test_a_run_is_listed_with_what_it_scored_took_and_where_it_was_made(page):
    start = page.cells.index("0")

    assert page.cells[start : start + 10] == [
        "0", "rte accuracy 66.50", "10", "100", "3 s", "500.0 ms", "1 MiB", "c" * 10, "one", "s/r/d/seed0.json",
    ]  # fmt: skip


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


def test_what_is_undecided_is_not_said_to_disagree(tmp_path):
    found = sections(written(MIXED, tmp_path))

    assert "inconclusive: 1 cell" not in found["What does not agree"]
    assert "inconclusive: 1 cell" in found["What is not decided"]


def test_the_navigation_leads_to_what_is_undecided(tmp_path):
    links = Page(written(MIXED, tmp_path)).attributes("href")

    assert {"#notable", "#undecided"} <= set(links)


def test_without_anything_undecided_there_is_no_heading_for_it(tmp_path):
    assert "What is not decided" not in sections(written(REPORT, tmp_path))


def test_colours_are_explained_before_the_first_table(tmp_path):
    text = written(REPORT, tmp_path)

    assert 0 < text.index('class="key"') < text.index("<table")


def test_a_sentence_has_real_minus_signs_and_a_name_its_hyphens(tmp_path):
    text = written(Report("paper", [verdict("m-constant-2", sentence="m-4-2: -0.5 (-1.0 to 3)")], {}), tmp_path)

    assert "m-4-2: −0.5 (−1.0 to 3)" in text


def test_nothing_is_fetched(tmp_path):
    text = written(replace(MIXED, ledger=REPORT.ledger), tmp_path)

    assert "http:" not in text and "https:" not in text  # noqa: PT018
    assert not re.search(r"@import|url\((?!#)|\bsrc=", text)
    assert {tag for tag, _ in Page(text).elements}.isdisjoint({"script", "link", "img", "iframe", "object", "embed"})


def test_a_policy_in_the_page_forbids_what_nobody_put_there(page):
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.attributes("content")


def test_hostile_names_are_text(hostile):
    _, text = hostile
    page = Page(text)

    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img"})
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
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_browser_shows_the_whole_report(opened):
    assert 'id="about"' in opened
    assert opened.rstrip().endswith("</html>")


def test_in_a_browser_nothing_runs(opened):
    page = Page(opened)

    assert page.title.startswith("progbench: <script>")
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img"})


@pytest.mark.parametrize(("difference", "colour"), [(100 * 0.972 - 100 * 0.964, "high1"), (0.81, "high2")])
def test_a_difference_just_at_the_margin_has_the_colour_of_one_within_it(difference, colour):
    assert cells.heat(verdict(difference=difference, tolerance=0.8)) == colour
