"""Attention within each text of all rows at once, for rows of several seeds: it has no weights, so seeds do not matter.

On a GPU it is one call of the variable-length kernel that comes with torch and keeps float32
(`_efficient_attention_forward`; `torch.nn.attention.varlen` does not) where nothing drops, as in evaluation. With
dropout that kernel draws one mask in its forward and another in its backward pass (pytorch issue 115590: it takes the
longest text to have no keys), and it takes no bias. So in training, on a CPU, and with a bias all texts are padded to
one length, a few dozen tokens.
"""

from __future__ import annotations

import torch
from torch import nn

from progbench.training.bias import Bias
from progbench.training.seed_rows import SeedRows


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    where: SeedRows,
    dropout: float = 0.0,
    scaling: float | None = None,
    bias: Bias | None = None,
) -> torch.Tensor:
    """What every token attends to in its own text.

    >>> rows = SeedRows(torch.tensor([[0, 2]]), torch.tensor([0, 2, 5]), tokens=5, longest=3)
    >>> query = key = value = torch.ones(1, 2, 5, 4)  # a row of two texts, of two and three tokens
    >>> attend(query, key, value, rows).shape
    torch.Size([1, 5, 2, 4])

    Shapes: query, key, value (seeds, heads, tokens, size); result (seeds, tokens, heads, size).
    """
    seeds = len(query)
    rows = [part.transpose(1, 2).flatten(0, 1) for part in (query, key, value)]
    if query.is_cuda and not dropout and bias is None:
        return _kernel(*rows, where, dropout, scaling).unflatten(0, (seeds, -1))
    return _padded(*rows, where, dropout, scaling, bias).unflatten(0, (seeds, -1))


def _kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, where: SeedRows, dropout: float, scaling: float | None
) -> torch.Tensor:
    """Shapes: (seeds * tokens, heads, size) each."""
    ends, longest = where.ends32, min(where.longest, where.tokens)
    rows = (query[None], key[None], value[None])
    unmasked, keep_for_backward = 0, True
    return torch.ops.aten._efficient_attention_forward(
        *rows, None, ends, ends, longest, longest, dropout, unmasked, keep_for_backward, scale=scaling
    )[0].squeeze(0)


def _padded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    where: SeedRows,
    dropout: float,
    scaling: float | None,
    bias: Bias | None,
) -> torch.Tensor:
    texts, places = len(where.ends) - 1, where.places

    def apart(tokens: torch.Tensor) -> torch.Tensor:
        padded = tokens.new_zeros(texts * where.longest, *tokens.shape[1:]).index_copy(0, places, tokens)
        return padded.unflatten(0, (texts, where.longest)).transpose(1, 2)

    real = (torch.arange(where.longest, device=places.device) < where.ends.diff()[:, None])[:, None, None]
    mask = real if bias is None else bias.masked(where.longest, real).to(query.dtype)
    attended = nn.functional.scaled_dot_product_attention(
        apart(query), apart(key), apart(value), attn_mask=mask, dropout_p=dropout, scale=scaling
    )
    return attended.transpose(1, 2).flatten(0, 1).index_select(0, places)
