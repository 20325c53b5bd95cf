"""Figure 4: the totals of updated parameters on GLUE, counted on any machine without weights or data."""

import pytest


@pytest.mark.figures
def test_figure4(cell, judged):
    judged(cell)
