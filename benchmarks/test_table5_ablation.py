"""Table 5: Progtuning against leaving out the low blocks, and against growing from the high ones."""

import pytest


@pytest.mark.ablation
def test_table5(cell, judged):
    judged(cell)
