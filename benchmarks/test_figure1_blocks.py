"""Figure 1: one block at a time, with embeddings and head; the paper draws the curve and prints no number."""

import pytest


@pytest.mark.figures
def test_figure1(cell, judged):
    judged(cell)
