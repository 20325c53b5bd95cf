"""Sessions that only collect, in turn in one process, which loads pytest and the benchmarks once.

Each line it reads is the arguments and the variables of a session as JSON, each line it writes what came of that one.
"""

import contextlib
import io
import json
import os
import sys
from unittest import mock

import pytest

sys.path[0] = os.getcwd()  # as `python -m pytest` has it
ALWAYS = ("benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider")


def collect(arguments, variables):
    said, wrong = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, variables), contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        code = pytest.main([*ALWAYS, *arguments])
    tests = [line for line in said.getvalue().splitlines() if "::" in line]
    return {"code": int(code), "tests": tests, "error": wrong.getvalue(), "modules": sorted(sys.modules)}


for line in sys.stdin:
    print(json.dumps(collect(*json.loads(line))), flush=True)
