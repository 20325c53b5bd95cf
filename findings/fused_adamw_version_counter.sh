#!/usr/bin/env bash
# Packages: torch 2.13.0 (on a CPU), numpy 2.4.6
#
# AdamW(fused=True) moves a parameter without moving its version counter, which autograd uses to notice that a tensor it
# saved was changed in place. With foreach=True, and with the plain loop, a step between the forward pass and the
# backward pass is an error ("modified by an inplace operation"). With fused=True the backward pass goes through and
# gives the gradient at the new weights: for sum(w * w) at w = 1 it is 0.99 after a step of 0.505, and not 2. Whoever
# tells moved weights by their version counters does not see this optimizer at all.
#
# Seen:
#   foreach=False: moved, version 0 -> 2, the backward pass refuses
#   foreach=True: moved, version 0 -> 2, the backward pass refuses
#   fused=True: moved, version 0 -> 0, the backward pass gives 0.99 where 2.00 is right
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6

cat > "$folder/program.py" <<'PYTHON'
import sys

import torch

found = {}
for options in ({"foreach": False}, {"foreach": True}, {"fused": True}):
    weight = torch.nn.Parameter(torch.ones(4))
    weight.grad = torch.ones(4)
    optimizer = torch.optim.AdamW([weight], lr=0.5, **options)
    loss = (weight * weight).sum()
    before = weight._version
    optimizer.step()
    moved = not torch.equal(weight.detach(), torch.ones(4))
    weight.grad = None
    try:
        loss.backward()
        end = f"the backward pass gives {weight.grad[0]:.2f} where 2.00 is right"
    except RuntimeError:
        end = "the backward pass refuses"
    (name,) = options
    print(f"{name}={options[name]}: {'moved' if moved else 'still'}, version {before} -> {weight._version}, {end}")
    found[f"{name}={options[name]}"] = (moved, weight._version > before, end)

refuses = "the backward pass refuses"
as_seen = (
    found["foreach=False"] == found["foreach=True"] == (True, True, refuses)
    and found["fused=True"] == (True, False, "the backward pass gives 0.99 where 2.00 is right")
)
sys.exit(0 if as_seen else 1)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
