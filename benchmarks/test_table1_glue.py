"""Table 1: fine-tuning against Progtuning on GLUE, one test a printed number."""

import pytest


@pytest.mark.glue
def test_table1(cell, judged):
    judged(cell)
