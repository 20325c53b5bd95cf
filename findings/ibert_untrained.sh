#!/usr/bin/env bash
# Packages: transformers 5.23.0, torch 2.13.0, numpy 2.4.6
#
# I-BERT is fine-tuned once more with quant_mode=True, so that its weights learn to live with integers. In that mode the
# biases of all its LayerNorms get no gradient at all, and the gradients of its position and token-type embeddings are
# zeros throughout: nothing of these learns, and nothing says so. An optimizer skips the former, and moves the latter
# by its momentum and weight decay alone. Without quant_mode every parameter has a gradient.
#
# Seen:
#   quant_mode=False: no gradient: 0, zeros: 0
#   quant_mode=True: no gradient: 5, zeros: 2
#     no gradient: ibert.embeddings.LayerNorm.bias, ... (all of them LayerNorm biases)
#     zeros: ibert.embeddings.token_type_embeddings.weight, ibert.embeddings.position_embeddings.weight
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 transformers==5.23.0

cat > "$folder/program.py" <<'PYTHON'
import sys

import torch
import transformers

found = {}
for quantised in (False, True):
    torch.manual_seed(0)
    configuration = transformers.IBertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        quant_mode=quantised,
    )
    model = transformers.IBertForSequenceClassification(configuration)
    model(input_ids=torch.randint(3, 50, (8, 6)), labels=torch.arange(8) % 2).loss.backward()
    none = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    zeros = [name for name, parameter in model.named_parameters() if parameter.grad is not None and not parameter.grad.any()]
    print(f"quant_mode={quantised}: no gradient: {len(none)}, zeros: {len(zeros)}")
    for what, names in (("no gradient", none), ("zeros", zeros)):
        if names:
            print(f"  {what}: {', '.join(names)}")
    found[quantised] = none, zeros

none, zeros = found[True]
as_seen = (
    found[False] == ([], [])
    and len(none) == 5
    and all(name.endswith("LayerNorm.bias") for name in none)
    and {name.split(".")[-2] for name in zeros} == {"token_type_embeddings", "position_embeddings"}
)
sys.exit(0 if as_seen else 1)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
