"""Which of the GPU path's promises a card has confirmed, by the checks of `gpu_check.py` that have passed on it."""

from __future__ import annotations

from collections.abc import Mapping

PROMISES = {
    "a replayed step computes what a step does that runs as it is, over a stage change and over epochs of one stage": (
        "a graph against eager", "a graph against eager, with dropout", "m a constant run over two epochs",
    ),
    "chains of one kernel compute what their operations do": ("n chains against their operations",),
    "a replay reads the learning rate anew": ("b the learning rate of a replay",),
    "dropout draws anew in each step, and drops the share it should": ("c dropout",),
    "seeds side by side learn what each learns alone": (
        "d side by side against alone", "k MPNet side by side against alone",
    ),
    "what is frozen stays as it is, to the last bit": ("e frozen parameters",),
    "a seed that fails is its own error": ("f nan in one row",),
    "seeds that do not fit the memory are trained in groups": ("g out of memory",),
    "attention and its gradients stay within each text": ("j attention with dropout", "j attention against others"),
    "a run that was stopped goes on": ("l going on from a checkpoint",),
    "attention over long texts repeats to the last bit": ("o attention again",),
    "MiniLM learns RTE and MRPC": ("h rte constant", "h rte shrinking", "h mrpc constant", "h mrpc shrinking"),
    "a step that cannot be captured runs as it is, and the next one is captured": (
        "i a step that cannot be captured",
    ),
}  # fmt: skip


def confirmed(outcomes: Mapping[str, str], device: str) -> list[str]:
    """A line for each promise: what this card says of it, by the outcomes of checks.

    >>> confirmed({"b the learning rate of a replay": "ok"}, "cuda")[2]
    'confirmed: a replay reads the learning rate anew'
    >>> confirmed({"b the learning rate of a replay": "ok"}, "cpu")[2]
    'open: a replay reads the learning rate anew (tried on a CPU, whose stand-in captures no graph)'
    """
    lines = []
    for promise, checks in PROMISES.items():
        those = {name: outcomes.get(name, "not run") for name in checks}
        wrong = [f"{name}: {outcome}" for name, outcome in those.items() if outcome != "ok"]
        if "FAILED" in those.values():
            lines.append(f"broken: {promise} ({'; '.join(wrong)})")
        elif wrong:
            lines.append(f"open: {promise} ({'; '.join(wrong)})")
        elif device == "cpu":
            lines.append(f"open: {promise} (tried on a CPU, whose stand-in captures no graph)")
        else:
            lines.append(f"confirmed: {promise}")
    return lines
