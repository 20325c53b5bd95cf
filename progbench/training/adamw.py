"""AdamW for seeds side by side: each seed's gradients are clipped to a norm of their own.

A step over a list of tensors is a few kernel launches, however long the list. So a seed's tensors are a list of views,
and AdamW's kernel divides the gradients itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


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
    """`torch.optim.AdamW(fused=True)` over stacked parameters; it divides each seed's gradients by `excess` first."""

    excess: torch.Tensor

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            parameters, gradients, first, second, steps = ([] for _ in range(5))
            self._init_group(group, parameters, gradients, first, second, [], steps)
            if not parameters:
                continue
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            seeds = zip(*(zip(*those, strict=True) for those in (parameters, gradients, first, second)), strict=True)
            for excess, (those, own, *moments) in zip(self.excess, seeds, strict=True):
                scale = excess
                if scale.dtype is not torch.float32:  # the kernel takes no other
                    torch._foreach_div_([*own], scale)
                    scale = None
                torch._fused_adamw_(
                    those, own, *moments, [], steps, lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"],
                    weight_decay=group["weight_decay"], amsgrad=False, maximize=False, grad_scale=scale, found_inf=None,
                )  # fmt: skip
