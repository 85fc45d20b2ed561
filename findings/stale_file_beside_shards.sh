#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0, safetensors 0.8.0 (2026-11-30)
#
# A model is saved into a folder whole, trained on, and saved into the same folder in shards. Both calls succeed. The
# folder then holds the first model.safetensors, the new shards and their index, and from_pretrained reads the first
# file: the weights of before the training, without a warning. A tool that follows the index reads the new ones.
#
# Output seen:
#   model-00001-of-00004.safetensors ... model.safetensors model.safetensors.index.json
#   saved 2.0, loaded 1.0
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 transformers==5.23.0 safetensors==0.8.0
"$place/env/bin/python" - "$place/model" <<'END'
import os
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

folder = sys.argv[1]
config = LlamaConfig(
    vocab_size=61, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
)
model = LlamaForCausalLM(config)
model.save_pretrained(folder)
with torch.no_grad():
    model.model.norm.weight.add_(1)  # stands for a training
model.save_pretrained(folder, max_shard_size="20KB")
print(*sorted(name for name in os.listdir(folder) if name.startswith("model")))
saved = model.model.norm.weight[0].item()
loaded = LlamaForCausalLM.from_pretrained(folder).model.norm.weight[0].item()
print(f"saved {saved}, loaded {loaded}")
sys.exit((saved, loaded) != (2.0, 1.0))
END
