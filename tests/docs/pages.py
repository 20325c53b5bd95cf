"""The documents, and what stands in them: sections, tables, and blocks of code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read(name):
    """A document of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(page, title):
    """What stands under a heading, up to the next one of its level."""
    (level, text) = re.search(rf"^(#+) {re.escape(title)}\n(.*)", page, re.MULTILINE | re.DOTALL).groups()
    return re.split(rf"^{level} ", text, flags=re.MULTILINE)[0]


def blocks(page, language):
    """Its blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def block(page, language, containing):
    """The first of its blocks that contains a text."""
    return next(text for text in blocks(page, language) if containing in text)


def table(page, first):
    """The rows below the table whose first heading is `first`, each as the texts of its columns."""
    (rows,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[ |:-]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows.splitlines()]


def bare(cell):
    """A table's cell without the marks of code and links."""
    return re.sub(r"`|\[|\]\([^)]*\)", "", cell)


def numbers(text):
    """The whole numbers in a text, in their order; a number with a point is none."""
    return [int(one.replace(",", "")) for one in re.findall(r"(?<![\w.])\d[\d,]*(?![\w.]*\d)", text)]
