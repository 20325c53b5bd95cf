#!/usr/bin/env bash
# Packages: transformers 5.23.0, torch 2.13.0, numpy 2.4.6.
# Behaviour: of some model types the configuration that is made without arguments builds no model, since a size in it is
# None: of Nemotron the number of key and value heads, of Ministral the size of a head, of LFM2-MoE the kinds of its
# layers. Of most types, Llama's among them, it is a whole model's.
# Seen: "nemotron: TypeError", "ministral: TypeError", "lfm2_moe: TypeError", "llama: builds".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet transformers==5.23.0
cat > "$folder/look.py" <<'END'
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

found = {}
for kind in ("nemotron", "ministral", "lfm2_moe", "llama"):
    try:
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind]())
        found[kind] = "builds"
    except Exception as error:
        found[kind] = type(error).__name__
    print(f"{kind}: {found[kind]}")
raise SystemExit(list(found.values()) != ["TypeError", "TypeError", "TypeError", "builds"])
END
"$folder/venv/bin/python" "$folder/look.py"
