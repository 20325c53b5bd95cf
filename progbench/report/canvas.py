"""Drawing as SVG text: one look for every figure, the same file for the same numbers. Loads matplotlib only to draw."""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence

# told apart by colour-blind readers, too (Okabe and Ito)
BLUE, ORANGE, GREEN, PURPLE, SKY, GREY, INK = (
    "#0072B2", "#D55E00", "#00785A", "#A0458A", "#3F9BD1", "#767676", "#222222",
)  # fmt: skip
COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY)
_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "progbench",
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "savefig.transparent": True,
}


def new_figure(width: float, height: float, left: float | None = None):
    """An empty figure of this size in inches; its margins fit what is drawn.

    A tall one gives the width its labels need at the `left`, in inches: fitting draws everything twice.
    """
    from matplotlib.figure import Figure

    if left is None:
        return Figure(figsize=(width, height), layout="constrained")
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(left=left / width, right=1 - 0.7 / width, bottom=0.5 / height, top=1 - 0.6 / height)
    return figure


def lines(axes, labels: Sequence[str], fontsize: float | None = None) -> None:
    """Give axes a line for each label, the first at the top, without ticks."""
    axes.set_yticks(range(len(labels)), labels, fontsize=fontsize)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def legend(axes, columns: int, **options: object) -> None:
    """A legend above what is drawn, at the left."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, **({"borderaxespad": 0.2} | options))


def svg(draw: Callable, *values: object, paper: bool = False) -> str:
    """The figure that `draw` makes of values, as SVG text; on white `paper` it can be read on a dark page, too."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):  # matplotlib's own settings come back afterwards
        text = io.StringIO()
        draw(*values).savefig(text, format="svg", metadata={"Date": None}, transparent=not paper)
    return text.getvalue()


_NUMBERS = {"d", "x", "y", "width", "height", "transform", "points"}  # a hundredth of a point is fine enough


def inline(text: str, prefix: str, label: str) -> str:
    """An SVG file as an element of an HTML page: no address in it, ids that no other figure has, and its name."""
    root = ElementTree.fromstring(text)
    root.set("role", "img")
    root.set("aria-label", label)
    for metadata in root.findall("{*}metadata"):
        root.remove(metadata)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # in HTML an svg element needs no namespace
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        element.attrib.clear()
        for name, value in attributes.items():
            refers = value.startswith(("#", "url(#"))
            own = f"{prefix}-{value}" if name == "id" else value
            own = own.replace("#", f"#{prefix}-", 1) if refers else own
            element.attrib[name] = re.sub(r"(\d\.\d\d)\d+", r"\1", own) if name in _NUMBERS else own
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
