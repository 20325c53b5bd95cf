"""AdamW for seeds side by side: each seed's gradients are clipped to a norm of their own.

A norm over a list of tensors is a few kernel launches, however long the list. So a seed's tensors are a list of views,
and the chain of AdamW divides the gradients itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from progbench.training.chains import chain


@torch.no_grad()
def excess(parameters: Sequence[nn.Parameter], norm: float) -> torch.Tensor:
    """Each seed's gradient norm over `norm`, at least 1: what `clip_grad_norm_` divides by. Shape: (seeds,).

    >>> weight = nn.Parameter(torch.zeros(2, 4))
    >>> weight.grad = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]])
    >>> excess([weight], norm=1.0)
    tensor([5.0000, 1.0000])
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [torch.stack(torch._foreach_norm([*those])) for those in zip(*gradients, strict=True)]
    whole = torch.linalg.vector_norm(torch.stack(norms), dim=1)
    return ((whole + 1e-6) / norm).clamp(min=1.0)


class ClippedAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` over stacked parameters; it divides each seed's gradients by `excess` first.

    Torch's fused kernel could divide, but would write the gradients that it has divided, which nothing reads.
    """

    excess: torch.Tensor

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            *tensors, steps = [], [], [], [], []  # weights, gradients, and their two moments
            self._init_group(group, *tensors, [], steps)
            if not steps:
                continue
            torch._foreach_add_(steps, 1)
            (beta1, beta2), count = group["betas"], torch.stack(steps).double()
            keep = 1 - group["lr"] * group["weight_decay"]
            rates, roots = group["lr"] / (1 - beta1**count), (1 - beta2**count).sqrt()
            for *those, rate, root in zip(*tensors, rates, roots, strict=True):
                flat = (tensor.detach().flatten(1) for tensor in those)
                _move(*flat, self.excess, keep, rate, root, beta1, beta2, group["eps"])


@chain
def _move(weights, gradients, first, second, excess, keep, rate, root, beta1, beta2, eps):
    gradients = gradients / excess[:, None]
    first.lerp_(gradients, 1 - beta1)
    second.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
    weights.mul_(keep).sub_(rate * first / (second.sqrt() / root + eps))
