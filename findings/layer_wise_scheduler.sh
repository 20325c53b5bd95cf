#!/usr/bin/env bash
# Packages: transformers 5.23.0, torch 2.13.0, numpy 2.4.6
#
# The Trainer's layer-wise optimizers (optim="galore_adamw_layerwise", "apollo_adamw_layerwise" and their kin) cannot
# begin with this torch: transformers gives the scheduler a dummy optimizer with one group and returns one learning rate
# for every parameter, and torch's scheduler, which pairs groups and rates with a strict zip since, raises a ValueError
# as soon as there are two parameters. With one parameter all is well, so that a smallest example shows nothing.
# A scheduler of one's own, handed to Trainer(optimizers=(dummy, scheduler)), is a way around.
#
# Seen:
#   1 parameter: LayerWiseDummyScheduler
#   2 parameters: ValueError: zip() argument 2 is longer than argument 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 transformers==5.23.0

cat > "$folder/program.py" <<'PYTHON'
import sys

import torch
from transformers import get_scheduler
from transformers.trainer_pt_utils import LayerWiseDummyOptimizer

found = []
for count in (1, 2):
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(count)]
    ones = {parameter: torch.optim.AdamW([parameter], lr=0.1) for parameter in parameters}
    dummy = LayerWiseDummyOptimizer(optimizer_dict=ones, lr=0.1)
    try:
        found.append(type(get_scheduler("constant", dummy)).__name__)
    except ValueError as problem:
        found.append(f"ValueError: {problem}")
    print(f"{count} parameter{'s' * (count > 1)}: {found[-1]}")

sys.exit(0 if found[0] == "LayerWiseDummyScheduler" and found[1].startswith("ValueError: zip()") else 1)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
