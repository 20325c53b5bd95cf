"""Which commit made a number, and on which card."""

import ctypes
import subprocess

import pytest

from progbench import environment


def git(folder, *arguments):
    about = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(["git", *about, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one commit, which has this package in a folder and a file beside it."""
    folder = tmp_path / "checkout"
    package = folder / "package"
    package.mkdir(parents=True)
    (package / "environment.py").write_text("")
    (folder / "other.txt").write_text("as committed")
    (folder / ".gitignore").write_text("venv\nlocal.py\n__pycache__\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def head(checkout):
    return git(checkout, "rev-parse", "HEAD").strip()


def test_the_commit_is_that_of_the_checkout_that_tracks_the_package(checkout):
    assert environment.commit_of(checkout / "package") == head(checkout)


@pytest.mark.parametrize("place", ["venv/package", "vendored/package"])
def test_an_install_inside_another_projects_checkout_is_of_no_known_commit(checkout, place, reliability):
    installed = checkout / place
    installed.mkdir(parents=True)
    (installed / "environment.py").write_text("")

    assert environment.commit_of(installed) == "unknown"
    reliability(
        "Keeping results",
        "progbench is installed inside another project's checkout",
        happens='its results say commit "unknown", and the report warns of them',
        kept="the results; but no reference is recorded from them",
    )


def test_a_folder_outside_any_checkout_is_of_no_known_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert environment.commit_of(tmp_path) == "unknown"


@pytest.mark.parametrize("name", ["new.py", "local.py", "templates/new.html", "environment.py", "../other.txt"])
def test_a_file_in_the_package_that_git_does_not_track_or_a_changed_one_makes_it_dirty(checkout, name, reliability):
    path = checkout / "package" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")

    assert environment.commit_of(checkout / "package") == f"{head(checkout)}-dirty"
    reliability(
        "Keeping results",
        "a file in the package that git does not track, or ignores",
        happens="the commit of its results ends in -dirty, and every view of the report says so and warns",
        kept="the results; but no reference is recorded from them",
    )


def test_no_setting_of_git_hides_that(checkout):
    git(checkout, "config", "status.showUntrackedFiles", "no")
    (checkout / "package" / "new.py").write_text("")

    assert environment.commit_of(checkout / "package").endswith("-dirty")


def test_what_nobody_loads_leaves_it_clean(checkout):
    for name in ("__pycache__/environment.pyc", ".DS_Store"):
        path = checkout / "package" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    assert environment.commit_of(checkout / "package") == head(checkout)


def test_a_hooks_variables_do_not_lead_to_another_repository(checkout, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-qm", "two", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    found = environment.commit_of(checkout / "package")
    monkeypatch.delenv("GIT_DIR")

    assert found == head(checkout)


class Driver:
    """CUDA's driver with one card; an older one has no second version of the question."""

    def __init__(self, code=0):
        self.code = code

    def cuDeviceGet(self, device, number):
        device._obj.value = 5
        return 0

    def cuDeviceGetUuid_v2(self, uuid, device):
        ctypes.memmove(uuid._obj, bytes(range(16)), 16)
        return self.code

    def cuDeviceGetName(self, name, size, device):
        name.value = b"NVIDIA H100"
        return self.code


@pytest.mark.parametrize(("driver", "uuid", "name"), [
    (Driver(), "000102030405060708090a0b0c0d0e0f", "NVIDIA H100"), (Driver(code=1), "", ""), (None, "", ""),
])  # fmt: skip
def test_a_card_and_its_model_are_told_as_the_driver_calls_them_without_torch(monkeypatch, driver, uuid, name):
    monkeypatch.setattr(environment, "_driver", lambda: driver)

    assert (environment.gpu_uuid.__wrapped__(), environment.gpu_name.__wrapped__()) == (uuid, name)
