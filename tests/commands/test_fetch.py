"""progbench fetch, as a person starts it, with HF_ENDPOINT set to a server of this machine."""

import os
import subprocess
import sys

import pytest
from hub_server import serving

from progbench import cli
from progbench.models.spec import spec
from progbench.session import fetching
from progbench.session.fetching import Got

BERT = spec("bert-base")

# on a busy machine
PATIENT = "import sys; from progbench import cli, hub; hub.PATIENCE = hub.LONG = 600; sys.exit(cli.main(sys.argv[1:]))"


@pytest.fixture
def fetch(tmp_path):
    """Run the command in a process of its own: the hub's client reads its variables when it is imported."""

    def start(server, *arguments):
        variables = {"HF_ENDPOINT": server.address, "HF_HUB_CACHE": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
        environment = os.environ | variables | {"HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", PATIENT, "fetch", "--runs", str(tmp_path / "runs"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return start


def test_a_pinned_revision_is_fetched_and_what_is_not_to_be_had_is_missing(fetch, tmp_path):
    files = {"config.json": b"{}", "vocab.txt": b"[PAD]\n", "model.safetensors": b"weights", "model.h5": b"not wanted"}
    with serving(BERT.hub, files, revision=BERT.revision) as server:
        done = fetch(server, "-m", "squad")
    lines = done.stdout.splitlines()
    (folder,) = tmp_path.glob("cache/models--*/snapshots/*")

    assert done.returncode == 3
    about = f"{BERT.hub}@{BERT.revision[:8]}, 15 bytes, as the hub's checksums say"
    assert lines[0] == f"weights of bert-base: fetched: {about}; in {folder}"
    assert [line.partition(": miss")[0] for line in lines[1:]] == ["data of squad1", "data of squad2"]
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    assert "3 files to fetch, 15 bytes" in done.stderr


@pytest.mark.parametrize(
    ("states", "code"),
    [(["here", "fetched"], 0), (["here", "damaged"], 1), (["missing", "damaged"], 1), (["missing", "here"], 3)],
)
def test_the_exit_code_says_whether_all_is_here(capsys, monkeypatch, tmp_path, states, code):
    found = [Got(f"one {number}", state, "words") for number, state in enumerate(states)]
    monkeypatch.setattr(fetching, "needs", lambda suite, mark: found)
    monkeypatch.setattr(fetching, "fetch", lambda one, say: one)

    assert cli.main(["fetch", "--runs", str(tmp_path)]) == code
    assert capsys.readouterr().out.splitlines() == [f"one {number}: {one}: words" for number, one in enumerate(states)]


def test_told_to_end_it_says_how_much_is_done(capsys, monkeypatch, tmp_path):
    def end(one, say):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "needs", lambda suite, mark: ["one", "two"])
    monkeypatch.setattr(fetching, "fetch", end)

    assert cli.main(["fetch", "--runs", str(tmp_path)]) == 130
    assert capsys.readouterr().out == "told to end: 0 of 2 are done; start the same again for the rest\n"


def test_what_needs_nothing_says_so(capsys, tmp_path):
    assert cli.main(["fetch", "--suite", "smoke", "--runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("nothing to fetch: ")
