"""Figure 4: the totals of updated parameters on GLUE, counted on any machine without weights or data."""

import pytest


@pytest.mark.params
@pytest.mark.table("figure4")
def test_figure4(cell, judged):
    judged(cell)
