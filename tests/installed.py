"""The package as a wheel, installed into a folder of its own beside the libraries that are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("progbench", "benchmarks", "expected", "pyproject.toml", "README.md", "LICENSE")
# a plugin that every pytest loads: half of the time of a session, which has no use for it
WITHOUT = "-p no:hypothesispytest"
OURS = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_", "PYTEST_", "PYTHONPATH")


def install(folder):
    """Install the package into a folder, once for all workers that ask for this folder; returns where it lies."""
    with FileLock(folder / "lock"):
        if not (folder / "installed").exists():
            make(folder / "source", folder / "site")
            (folder / "installed").touch()
    return folder / "site"


def make(source, site):
    """Make the wheel of a copy of this checkout, and install it."""
    source.mkdir()
    for name in NAMES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", site, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Person:
    """Somebody who works in a folder `here`, which is empty at first, with what is installed in `site`."""

    def __init__(self, warm, site, here):
        self.warm, self.site, self.here = warm, site, here
        here.mkdir(exist_ok=True)

    def __call__(self, program, *arguments, rc=0):
        """Run `progbench`, `pytest` or another module; returns what it printed, and after it what it said of errors."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        env = (
            inherited | {"PYTHONPATH": str(self.site)} | ({"PYTEST_ADDOPTS": WITHOUT} if program == "progbench" else {})
        )
        done = self.warm(program, *arguments, cwd=self.here, env=env)
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout + done.stderr
