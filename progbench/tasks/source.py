"""Which data a run reads, before anyone looks where it lies."""

from __future__ import annotations

from dataclasses import dataclass

GENERATED = "toy"


@dataclass(frozen=True)
class Source:
    """A dataset's name and revision, and how many of SQuAD's training questions, from the first on (None: all).

    `dataset` is a repository on the hub, "toy" for generated files, or the variable ("GLUE_DIR", "SQUAD_DIR") that must
    name a folder; only the hub has revisions.
    """

    dataset: str
    revision: str = ""
    train_questions: int | None = None
