"""Word embeddings cut to the words that occur."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def cut(model: nn.Module, words: Iterable[int]) -> int:
    """Keep these token ids' rows of a transformers model's word embeddings; returns how many elements are left out.

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> model = build(spec("tiny-bert"), num_labels=2)
    >>> whole = model.num_parameters()
    >>> cut(model, words={2, 7, 9}) == whole - model.num_parameters()
    True

    Exact for texts of these words: a row that nothing looks up moves by weight decay alone. Two fifths of MiniLM's
    parameters, and a sixth of BERT-base's, are words that CoLA does not have. The model takes token ids as before,
    fails at one that was not kept, and counts fewer parameters. Seeds side by side lose the same rows. The word
    embeddings must be shared with nothing else.
    """
    embedding = model.get_input_embeddings()
    whole, padding = embedding.weight, embedding.padding_idx
    kept = torch.tensor(sorted({*words} if padding is None else {*words, padding}), device=whole.device)
    places = torch.full((whole.shape[-2],), -1, device=whole.device)
    places[kept] = torch.arange(len(kept), device=whole.device)
    embedding.weight = nn.Parameter(whole.index_select(-2, kept), requires_grad=whole.requires_grad)
    embedding.num_embeddings = len(kept)
    embedding.padding_idx = None if padding is None else int(places[padding])
    embedding.register_forward_pre_hook(lambda module, arguments: (places[arguments[0]],))
    return whole.numel() - embedding.weight.numel()
