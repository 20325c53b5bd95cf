"""progbench reproduce: the process that a person started becomes pytest's."""

import os
import sys

from progbench import cli, places


def test_it_becomes_pytest_on_the_benchmarks_with_all_options_as_they_were_given(tmp_path, monkeypatch):
    became = []
    monkeypatch.setattr(os, "execv", lambda *words: became.append(words))
    cli.main(["reproduce", "--include", str(tmp_path), "-m", "glue", "--suite", "smoke"])
    rest = ["-m", "glue", "--suite", "smoke", f"--include={tmp_path}"]

    assert became == [(sys.executable, [sys.executable, "-m", "pytest", str(places.root() / "benchmarks"), *rest])]
