#!/usr/bin/env bash
# Packages: transformers 5.23.0, torch 2.13.0, numpy 2.4.6.
# Behaviour: the encoder of SqueezeBERT calls its layers as layer.forward(...) and not as layer(...). So a forward hook on
# a layer never fires, although the layer runs: activations that are captured by hooks stay empty, without a word. In
# BERT, built of the same sizes, the hook on each layer fires once.
# Seen: "bert: 2 of 2 layers called their hooks", "squeezebert: 0 of 2 layers called their hooks".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet transformers==5.23.0
cat > "$folder/look.py" <<'END'
import torch
from transformers import AutoModel, BertConfig, SqueezeBertConfig

sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
found = {}
for make in (BertConfig, SqueezeBertConfig):
    options = {} if make is BertConfig else {"embedding_size": 16}
    model = AutoModel.from_config(make(**sizes, **options)).eval()
    layers = model.encoder.layer if make is BertConfig else model.encoder.layers
    fired = set()
    for number, layer in enumerate(layers):
        layer.register_forward_hook(lambda *_, number=number: fired.add(number))
    moved = model(input_ids=torch.tensor([[5, 6, 7]])).last_hidden_state
    assert moved.shape == (1, 3, 16)
    kind = model.config.model_type
    found[kind] = len(fired)
    print(f"{kind}: {len(fired)} of {len(layers)} layers called their hooks")
raise SystemExit(found != {"bert": 2, "squeezebert": 0})
END
"$folder/venv/bin/python" "$folder/look.py"
