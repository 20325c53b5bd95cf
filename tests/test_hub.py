"""The hub where it does not answer, or breaks off; a socket of this machine stands for it."""

import re
import socket
import threading

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from progbench import hub
from progbench.errors import BadInput, Missing
from progbench.tasks import source


@pytest.fixture(autouse=True)
def new_session():
    """What a session remembers of the hub, forgotten before and after."""
    remembering = (hub._problem, hub._downloaded)
    for one in remembering:
        one.cache_clear()
    hub._ASKED.clear()
    yield
    for one in remembering:
        one.cache_clear()
    hub._ASKED.clear()


@pytest.fixture
def online(monkeypatch, tmp_path):
    """Let the hub's client ask an address of this machine, with an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def at(port):
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")

    return at


@pytest.fixture
def silent(online, monkeypatch):
    """A hub that never says a word; gives how often it was asked."""
    never, within, asked = threading.Event(), hub._within, []
    monkeypatch.setattr(hub, "PATIENCE", 0.05)
    monkeypatch.setattr(hub, "_within", lambda seconds, ask: asked.append(ask) or within(seconds, never.wait))
    online(9)
    yield lambda: len(asked)
    never.set()


@pytest.fixture
def refused(online, monkeypatch):
    """A hub whose port nobody listens to; on a busy machine its refusal is waited for."""
    monkeypatch.setattr(hub, "PATIENCE", 600.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    online(port)


RTE = source.files("nyu-mll/glue", "pinned", "rte", ["train"], instead="GLUE_DIR")


def files(repository="a/b", kind="model", instead="PROGBENCH_MODELS"):
    return hub.Files(repository, "pinned", kind, ("*",), instead, lambda folder: True)


def words(repository="nyu-mll/glue", kind="dataset", instead="GLUE_DIR"):
    with pytest.raises(Missing) as problem:
        hub.fetch(files(repository, kind, instead))
    return str(problem.value)


def test_a_hub_that_never_answers_is_said_with_what_to_set(silent, reliability):
    said = words()
    address = constants.ENDPOINT

    assert said == (
        f"nyu-mll/glue is not on this machine, and the hub did not give it ({address} does not answer within 0.05 "
        "seconds; with HF_HUB_OFFLINE=1 it is not asked); fetch it with `progbench fetch`, or set GLUE_DIR "
        "to a folder that holds it"
    )
    reliability(
        "Running, on one machine or on many",
        "a hub that takes connections and never answers, or whose name is looked up for minutes",
        happens=said.replace(address, "https://huggingface.co").replace("0.05", "2"),
        kept="the rest of the session, which asks again after five minutes only",
    )


def test_a_silent_hub_is_not_asked_again_at_once_but_after_some_minutes(silent, monkeypatch):
    words()
    words("google-bert/bert-base-uncased", "model", "PROGBENCH_MODELS")

    assert silent() == 1
    monkeypatch.setattr(hub, "AGAIN", 0.0)
    words()

    assert silent() == 2


def test_a_look_up_that_hangs_is_not_waited_for():
    never = threading.Event()

    assert hub._within(0.01, never.wait) == hub.NO_ANSWER
    never.set()


def test_a_connection_that_is_refused_is_said_in_the_networks_words(refused, reliability):
    said = words("google-bert/bert-base-uncased", "model", "PROGBENCH_MODELS")

    assert said == (
        "google-bert/bert-base-uncased is not on this machine, and the hub did not give it (ConnectError: [Errno 111] "
        "Connection refused); fetch it with `progbench fetch`, or set PROGBENCH_MODELS to a folder that holds it"
    )
    reliability(
        "Running, on one machine or on many",
        "no network, and weights that are not on this machine",
        happens=said.replace("ConnectError: [Errno 111] Connection refused", "what the network says of it"),
        kept="the counts, the claims on the print, and every cell whose data and weights are here",
    )


@pytest.fixture
def answering(monkeypatch):
    """A hub that answers, and downloads by what a test puts in its place; gives the calls."""
    calls = []

    def have(here=None, download=None):
        def snapshot(*_, local_files_only=False, **__):
            calls.append("looked" if local_files_only else "fetched")
            if local_files_only and here is None:
                raise LocalEntryNotFoundError("not here")
            return here if local_files_only else download()

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
        monkeypatch.setattr(hub, "_within", lambda seconds, ask: "")

    have.calls = calls
    return have


def test_what_is_here_is_used_without_asking_the_hub(answering, monkeypatch, tmp_path):
    answering(here=str(tmp_path))
    monkeypatch.setattr(hub, "_within", lambda seconds, ask: pytest.fail("asked the hub"))

    assert hub.fetch(files()) == tmp_path


def test_requiring_fetches_nothing(answering):
    answering()

    assert hub.require(files()) is None
    assert answering.calls == ["looked"]


def test_a_download_that_fails_is_said_and_not_tried_again(answering, reliability):
    def full():
        raise OSError(28, "No space left on device", "/home/me/.cache/huggingface/hub")

    answering(download=full)
    said = words()
    words()

    assert answering.calls == ["looked", "fetched", "looked"]
    reliability(
        "Running, on one machine or on many",
        "a download that breaks off, or that finds no room in HF_HOME",
        happens=re.sub(r"\(OSError: .*?\)", "(what the hub's client says of it)", said),
        kept="the cells of other data and weights, which are trained",
    )


def test_a_table_that_is_no_parquet_file_is_refused_by_its_path(answering, tmp_path, reliability):
    answering(here=str(tmp_path))
    path = tmp_path / "rte" / "train-00000-of-00001.parquet"
    path.parent.mkdir()
    path.write_bytes(b"version https://git-lfs")

    with pytest.raises(BadInput) as problem:
        source.fetch(RTE, "rte", ["train"])
    assert str(problem.value).startswith(f"{path}: cannot be read (")
    reliability(
        "Bringing data",
        "a file of the hub's copy that was cut, or is no table",
        happens="an error with the file's path: clear the hub's cache of it, and fetch it again",
        kept="the cells of other tasks",
    )


def test_a_split_in_two_files_is_read_in_their_order(answering, tmp_path):
    answering(here=str(tmp_path))
    for i, labels in enumerate(([1, 0], [1, 1, 0])):
        datasets.Dataset.from_dict({"label": labels}).to_parquet(tmp_path / "rte" / f"train-0000{i}-of-00002.parquet")
    found = source.fetch(RTE, "rte", ["train"])

    assert list(found["train"]["label"]) == [1, 0, 1, 1, 0]


def test_the_hubs_tables_are_read_without_a_cache(answering, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "file" / "below")
    answering(here=str(tmp_path))
    datasets.Dataset.from_dict({"label": [1]}).to_parquet(tmp_path / "rte" / "train-00000-of-00001.parquet")

    assert list(source.fetch(RTE, "rte", ["train"])) == ["train"]
