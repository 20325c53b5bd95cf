"""Where a number was made: commit, versions, hardware, memory. Imports no torch."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
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

PACKAGES = ("torch", "transformers", "peft", "datasets", "evaluate", "scikit-learn", "scipy", "numpy")


@functools.cache
def gpu_count() -> int:
    """CUDA GPUs this process may use, asked of the driver itself: importing torch to ask takes seconds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if found else 0


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
    """The commit of this source tree, "-dirty" if files git tracks were changed, or "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        run = functools.partial(subprocess.run, cwd=here, capture_output=True, text=True, check=True)
        revision = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        dirty = run(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision + ("-dirty" if dirty else "")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _cpu() -> dict[str, str]:
    """The processor's name, and on Linux its numbers: a virtual machine may call unlike processors by one name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {"cpu": platform.processor() or platform.machine()}
    about = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
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
    """Bytes: the most GPU memory torch held, or on the CPU the most memory this process had, since the reset."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
