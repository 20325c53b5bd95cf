"""Processes in which torch is loaded already: each is a fork of one that loads the libraries, and nothing of ours.

    python warm.py

Reads requests, a line of JSON each, and answers each with the exit status of its process. Loading torch and
transformers takes longer than most of what tests do with them.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback

LIBRARIES = """pytest torch transformers evaluate accelerate tabulate jinja2 scipy.stats sklearn.metrics
matplotlib.figure matplotlib.backends.backend_svg""".split()
MODELS = "BertForSequenceClassification RobertaForSequenceClassification AutoTokenizer get_scheduler".split()


class Warm:
    """Runs modules as `python -m` would, on a checkout or on what is installed in another folder."""

    def __init__(self, folder):
        self.folder, self.process = folder, None

    def __call__(self, *command, cwd, env):
        """Run a module with arguments; returns what `subprocess.run` would, stdout and stderr apart."""
        if self.process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen([sys.executable, __file__], text=True, **pipes)
        out, err = (self.folder / name for name in ("out", "err"))
        request = {"command": [*map(str, command)], "cwd": str(cwd), "env": env, "out": str(out), "err": str(err)}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        status = int(self.process.stdout.readline())
        texts = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(command, status, *texts)

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


def become(request):
    """Be the process that was asked for: its folder, variables, files and arguments."""
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(path, flags), descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    tempfile.tempdir = None
    ours = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [os.getcwd(), *ours]
    os.execv = instead
    run(request["command"])


def run(command):
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def instead(program, words):
    """Become another module of this Python, as a process would that loads all libraries again."""
    assert (program, words[:2]) == (sys.executable, [sys.executable, "-m"])
    for name in [name for name in sys.modules if name.partition(".")[0] == "progbench"]:
        del sys.modules[name]
    run(words[2:])
    sys.exit()


def leave(do, *given):
    """Do it and end the process, but do not take down what is loaded: that takes longer than most of what is done."""
    status = 0
    try:
        do(*given)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 255)


def main():
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in MODELS:
        getattr(sys.modules["transformers"], name)
    gc.freeze()  # what is loaded stays shared
    for line in sys.stdin:
        process = os.fork()
        if not process:
            leave(become, json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
