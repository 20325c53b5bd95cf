"""Table 1: fine-tuning against Progtuning on GLUE, one test a printed number."""

import pytest


@pytest.mark.glue
@pytest.mark.table("table1")
def test_table1(cell, judged):
    judged(cell)
