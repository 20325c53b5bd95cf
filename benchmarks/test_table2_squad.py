"""Table 2: fine-tuning against Progtuning on SQuAD v1.1 and v2.0: updated parameters, exact match and F1."""

import pytest


@pytest.mark.squad
def test_table2(cell, judged):
    judged(cell)
