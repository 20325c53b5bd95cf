"""The package as a wheel, installed into a folder of its own beside the libraries that are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_", "PYTEST_", "PYTHONPATH")


class Installed:
    """An installation in `site`, and an empty folder `here` in which a person works."""

    def __init__(self, folder):
        self.site, self.here = folder / "site", folder / "here"
        self.here.mkdir()
        source = folder / "source"
        source.mkdir()
        names = ("progbench", "benchmarks", "expected", "pyproject.toml", "README.md", "LICENSE")
        for name in names:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            without = {"ignore": shutil.ignore_patterns("__pycache__")} if (ROOT / name).is_dir() else {}
            copy(ROOT / name, source / name, **without)
        quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
        self._do(sys.executable, "-m", "pip", "install", *quiet, "--target", self.site, source)

    def __call__(self, program, *arguments, rc=0):
        """Run `progbench` or `pytest` in the empty folder; returns what it printed, errors last."""
        return self._do(sys.executable, "-m", program, *arguments, rc=rc)

    def _do(self, *command, rc=0):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        done = subprocess.run(
            [*map(str, command)], cwd=self.here, capture_output=True, text=True, check=False,
            env=inherited | {"PYTHONPATH": str(self.site)},
        )  # fmt: skip
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout + done.stderr
