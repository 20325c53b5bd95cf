"""Where a number was made: commit, versions, hardware, memory. Imports no torch."""

import contextlib
import ctypes
import functools
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

try:
    import resource
except ModuleNotFoundError:
    raise ImportError("progbench runs on Linux and macOS, and not on Windows") from None

_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
DIRTY = "-dirty"  # behind a commit: the code was not all of it
PACKAGES = ("torch", "transformers", "peft", "datasets", "evaluate", "scikit-learn", "scipy", "numpy")


@functools.cache
def gpu_count() -> int:
    """CUDA GPUs this process may use, asked of the driver itself: importing torch to ask takes seconds."""
    driver, count = _driver(), ctypes.c_int()
    found = driver and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if found else 0


@functools.cache
def gpu_uuid() -> str:
    """The card, or the part of one, that this process calls "cuda", by a name that no other has; "" without one."""
    driver, device, uuid = _driver(), ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if not driver or driver.cuDeviceGet(ctypes.byref(device), 0):
        return ""
    ask = getattr(driver, "cuDeviceGetUuid_v2", None) or driver.cuDeviceGetUuid  # the older knows no parts of cards
    return "" if ask(ctypes.byref(uuid), device) else bytes(uuid).hex()


@functools.cache
def gpu_name() -> str:
    """What the driver calls the card that this process calls "cuda", which is torch's name for it; "" without one."""
    driver, device, name = _driver(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if not driver or driver.cuDeviceGet(ctypes.byref(device), 0):
        return ""
    return "" if driver.cuDeviceGetName(name, len(name), device) else name.value.decode()


def _driver() -> ctypes.CDLL | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


def describe(device: str = "", threads: int | None = None) -> dict[str, str | int]:
    """Commit, versions and hardware, for a report; and for a result the device it ran on and torch's thread count.

    >>> describe()["python"] == platform.python_version()
    True
    """
    about: dict[str, str | int] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
        "platform": platform.platform(),
        **_cpu(),
        "cores": os.cpu_count() or 0,
        "gpus": gpu_count(),
    }
    if device:
        about["device"] = device
    if threads is not None:
        about["threads"] = threads
    if device.startswith("cuda"):
        import torch

        about["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "unusable"
    return about


@functools.cache
def commit() -> str:
    """The commit that this package's code is of, with "-dirty" if it is not all of it; "unknown" outside a checkout.

    Dirty are changes to tracked files, and files in the package that git does not track, ignored ones too, which Python
    loads all the same. An install that lies in another project's checkout is not of that project's commit.
    """
    return commit_of(Path(__file__).resolve().parent)


def commit_of(package: Path) -> str:
    try:
        revision = git(package, "rev-parse", "HEAD").strip()
        changed = git(package, "status", "--porcelain", "--untracked-files=no")
        tracked = set(git(package, "ls-files", "-z", "--", ".").split("\0"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    if Path(__file__).name not in tracked:
        return "unknown"
    loaded = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    own = {path.as_posix() for path in loaded if "__pycache__" not in path.parts and not path.name.startswith(".")}
    return revision + (DIRTY if changed or own - tracked else "")


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder, whatever repository the variables of a hook point to.

    Raises OSError where there is no git, and CalledProcessError where git says no.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


def _version(package: str) -> str:
    return next((one[package] for one in map(_versions, sys.path) if package in one), "")


@functools.cache
def _versions(folder: str) -> dict[str, str]:
    """The versions of the packages in a folder, by their names: importlib.metadata takes far longer."""
    try:
        names = [name.removesuffix(".dist-info") for name in os.listdir(folder or ".") if name.endswith(".dist-info")]
    except OSError:  # an archive, or a folder that is not there
        return {}
    return {name.replace("_", "-").lower(): version for name, _, version in (one.partition("-") for one in names)}


@functools.cache
def _cpu() -> dict[str, str]:
    """The processor's name, and on Linux its numbers: a virtual machine may call unlike processors by one name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {"cpu": platform.processor() or platform.machine()}
    about = dict(reversed([[side.strip() for side in line.split(":", 1)] for line in lines if ":" in line]))
    numbers = [f"{name} {about[name]}" for name in ("cpu family", "model", "stepping") if name in about]
    found = {"cpu": about.get("model name", platform.machine())}
    return found | {"cpu_model": ", ".join(numbers)} if numbers else found


def reset_peak_memory(device: str) -> None:
    """Start `peak_memory` anew; on a CPU only Linux can, elsewhere the peak is that of the whole process."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory(device: str) -> int:
    """Bytes since the reset: on a GPU what torch held, with what graphs keep between replays; on the CPU the process's
    most.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_reserved()
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
