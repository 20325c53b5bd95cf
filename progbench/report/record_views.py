"""RESULTS.md and its page: the same sections as Markdown and as HTML, with the figures as files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from progbench.files import write_atomically
from progbench.report import canvas, html, markdown, record_page
from progbench.report.record import Block, Bullets, Figure, Grid, Recorded, Section

FOLDER = "results"  # of the figures and the page, beside RESULTS.md


def files(found: Recorded) -> dict[str, str]:
    """Every file that is written, by its name: RESULTS.md, the page, and the figures."""
    sections = record_page.sections(found)
    drawn = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    return {
        "RESULTS.md": as_markdown(sections),
        f"{FOLDER}/results.html": as_html(sections),
        **{f"{FOLDER}/{one.name}": one.svg for one in drawn},
    }


def write(found: Recorded, folder: Path) -> list[Path]:
    """Write them below a folder; figures that nobody draws any more go. Gives the files."""
    written = files(found)
    for old in (folder / FOLDER).glob("*.svg"):
        if f"{FOLDER}/{old.name}" not in written:
            old.unlink()
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]


def as_markdown(sections: Sequence[Section]) -> str:
    """For a code host."""
    lines: list[str] = []
    for number, section in enumerate(sections):
        lines += [f"{'##' if number else '#'} {markdown.escape(section.title)}", ""]
        for block in section.blocks:
            lines += [*_markdown(block), ""]
    return "\n".join(lines[:-1]) + "\n"


def _markdown(block: Block) -> list[str]:
    if isinstance(block, Grid):
        return [markdown.as_table(block)]
    if isinstance(block, Bullets):
        return [f"- {markdown.escape(line)}" for line in block.lines]
    if isinstance(block, Figure):
        return [f"![{markdown.escape(block.caption)}]({FOLDER}/{block.name})"]
    return [markdown.escape(block)]


def as_html(sections: Sequence[Section]) -> str:
    """As one file: no script, nothing fetched, the figures inside it."""
    return html.page("results.html", title="progbench: what is recorded", sections=[*map(_shown, sections)])


def _shown(section: Section) -> dict[str, object]:
    """A section as its template takes it: each block with its kind."""
    blocks, above = [], section.title
    for block in section.blocks:
        blocks.append(_block(block, above))
        above = block.removesuffix(":") if isinstance(block, str) and block.endswith(":") else above
    return {"title": section.title, "blocks": blocks}


def _block(block: Block, above: str) -> dict[str, object]:
    """A block, with the line above it as a table's name."""
    if isinstance(block, Grid):
        table = {"headers": block.headers, "rows": block.rows, "align": block.align.split()}
        return {"kind": "grid", "title": above, **table}
    if isinstance(block, Bullets):
        return {"kind": "bullets", "lines": block.lines}
    if isinstance(block, Figure):
        drawn = Markup(canvas.inline(block.svg, block.name.partition(".")[0], block.caption))
        return {"kind": "figure", "svg": drawn, "caption": block.caption}
    return {"kind": "text", "text": block}
