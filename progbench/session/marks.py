"""The tables of each pytest mark, and the cells and claims that a mark asks for."""

from progbench.errors import BadInput
from progbench.judging.claims import Claim
from progbench.judging.expected import Cell
from progbench.recipes.recipe import Recipe
from progbench.session.suite import Suite

# The marks of the files in benchmarks/, which a test holds to this. `params` is all counts, which no run is behind.
# Table 3, which holds counts alone, has a file and no mark.
MARKS = {
    "glue": ("table1",),
    "squad": ("table2",),
    "params": (),
    "peft": ("table4",),
    "ablation": ("table5",),
    "figures": ("figure1", "figure4"),
    "claims": ("claims",),
    "own": ("own",),  # stands for `own(suite)`
}

# What pytest says of each.
WORDS = {
    "glue": "Table 1, fine-tuning against Progtuning on GLUE",
    "squad": "Table 2, fine-tuning against Progtuning on SQuAD v1.1 and v2.0",
    "params": "every counted cell (Tables 2 and 3, Figure 4): updated parameters, no training",
    "peft": "Table 4, Adapter, BitFit and LoRA with and without Progtuning",
    "ablation": "Table 5, without low blocks, and growing",
    "figures": "Figure 1, one block at a time, and Figure 4",
    "speed": "a training step against the Hugging Face Trainer's; minutes, and only when asked for",
    "claims": "the paper's sentences, judged over its cells and ours",
    "own": "the tables of a suite of your own that have other names than the paper's",
}


def needed(suite: Suite, mark: str = "") -> list[dict[str, Recipe]]:
    """The recipes that each cell and claim of a mark waits for, by id; without a mark, of all.

    Raises BadInput as `asked` does, and for a cell, a claim or a recipe that cannot be read: a plan without it would
    look as if nothing were missing.
    """
    return [suite.behind(item) for item in asked(suite, mark)]


def asked(suite: Suite, mark: str = "") -> list[Cell | Claim]:
    """A mark's cells and claims that have runs behind them; without a mark, the suite's.

    Raises BadInput for a table that cannot be read: nobody could say what it needs.
    """
    items: list[Cell | Claim] = []
    names = own(suite) if mark == "own" else MARKS[mark] if mark else [*suite.tables(), "claims"]
    for name in names:
        if name == "claims":
            claims = suite.claims()
            if isinstance(claims, BadInput):
                raise claims
            items += claims
        elif suite.has(name):
            if problem := suite.table(name).problem:
                raise BadInput(problem)
            items += [cell for cell in suite.table(name).cells if cell.kind != "counted"]
    return items


def own(suite: Suite) -> list[str]:
    """The tables of a suite that have no file in benchmarks/: one test stands for all of them."""
    named = {"table3", *(name for names in MARKS.values() for name in names)}
    return [name for name in suite.tables() if name not in named]
