"""Whether a model is the one that its recipe plans; both trainers ask before the first step."""

from __future__ import annotations

from progbench.errors import BadInput
from progbench.method.anatomy import Anatomy
from progbench.recipes.recipe import Recipe


def require_planned(anatomy: Anatomy, recipe: Recipe) -> None:
    """Raise BadInput if a run of this model would update another number of parameters than its recipe plans."""
    counted, planned = anatomy.updated_parameters(recipe.build_schedule()), recipe.planned()
    if counted != planned:
        raise BadInput(
            f"{recipe.id}: its schedule plans {planned:,} updated parameters, but this model would update {counted:,}: "
            f"E, its blocks or H are not of the sizes that models.toml says of {recipe.model}"
        )
