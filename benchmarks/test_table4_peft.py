"""Table 4: Adapter, BitFit and LoRA, with and without Progtuning."""

import pytest


@pytest.mark.peft
def test_table4(cell, judged):
    judged(cell)
