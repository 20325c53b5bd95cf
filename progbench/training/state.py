"""What the next training step depends on: parameters, moments, learning rate and random generators."""

from __future__ import annotations

from typing import Any

import torch

from progbench.method.anatomy import Anatomy

Rate = torch.optim.lr_scheduler.LRScheduler


def taken(anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: Rate) -> dict[str, Any]:
    """The state as it is now, but for the order of the rows. Nothing is copied or drawn."""
    parameters = [parameter.detach() for parameter in anatomy.parameters()]
    random = {"cpu": torch.get_rng_state()}
    if parameters[0].is_cuda:
        random["cuda"] = torch.cuda.get_rng_state(parameters[0].device)
    moments = {"optimizer": optimizer.state_dict(), "rate": rate.state_dict()}
    return {"parameters": parameters, "random": random} | moments


@torch.no_grad()
def take_over(state: dict[str, Any], anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: Rate) -> None:
    """Go on from a state, and empty it: it would be a second copy for the rest of the run."""
    for parameter, then in zip(anatomy.parameters(), state.pop("parameters"), strict=True):
        parameter.copy_(then)
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(state.pop("optimizer"))
    for group, own in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(own, torch.Tensor):  # the one that captured steps read
            group["lr"] = own.fill_(float(group["lr"]))
    rate.load_state_dict(state.pop("rate"))
    random = state.pop("random")
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], anatomy.parameters()[0].device)
