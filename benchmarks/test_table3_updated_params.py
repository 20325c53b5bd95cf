"""Table 3: updated parameters of Adapter, BitFit and LoRA, counted on any machine without weights or data."""


def test_table3(cell, judged):
    judged(cell)
