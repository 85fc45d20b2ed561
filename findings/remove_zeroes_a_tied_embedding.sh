#!/usr/bin/env bash
# torch 2.13.0 on a CPU, transformers 5.23.0 (2026-12-01)
#
# Every Linear of a language model is pruned with torch.nn.utils.prune, the output layer among them, which shares its
# table with the embedding. Until prune.remove only the head is masked: its weight is a product, the table is whole.
# `remove`, which by its documentation only makes the pruning permanent, writes the product into the one Parameter that
# both have. The embedding is now half zeros, too, and the model is another than the one that was evaluated.
#
# Output seen (share of zeros, and the largest change of a logit by `remove`, as a share of the largest logit):
#   masked: head 0.5, embedding 0.0
#   removed: head 0.5, embedding 0.5
#   logits moved by 0.40
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 transformers==5.23.0
OMP_NUM_THREADS=1 "$place/env/bin/python" - <<'END'
import sys

import torch
from torch import nn
from torch.nn.utils import prune
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=61, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    tie_word_embeddings=True,
)
model = LlamaForCausalLM(config).eval()
tokens = torch.arange(16)[None]
linears = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def zeros():
    tables = model.lm_head.weight, model.model.embed_tokens.weight
    return tuple(round((table == 0).double().mean().item(), 2) for table in tables)


with torch.no_grad():
    for layer in linears:
        prune.l1_unstructured(layer, "weight", amount=0.5)
    evaluated, masked = model(tokens).logits, zeros()
    for layer in linears:
        prune.remove(layer, "weight")
    shipped, removed = model(tokens).logits, zeros()
moved = ((shipped - evaluated).abs().max() / evaluated.abs().max()).item()
for name, (head, embedding) in (("masked", masked), ("removed", removed)):
    print(f"{name}: head {head}, embedding {embedding}")
print(f"logits moved by {moved:.2f}")
sys.exit((masked, removed) != ((0.5, 0.0), (0.5, 0.5)) or moved < 0.1)
END
