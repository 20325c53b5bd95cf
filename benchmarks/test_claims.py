"""The paper's sentences, judged on its own numbers and on our runs."""

import pytest


@pytest.mark.claims
def test_claims(claim, weighed):
    weighed(claim)
