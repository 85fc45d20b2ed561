#!/usr/bin/env bash
# torch 2.13.0 on a CPU (2026-12-01)
#
# A model with nn.MultiheadAttention is masked with torch.nn.utils.prune and saved. It is built anew, masked in the same
# way so that the names fit, and load_state_dict finds every key. Yet the output projection computes with the weights
# that were there before: a pruned `weight` is a product that a hook renews when the layer is called, and the attention
# reads out_proj.weight without calling out_proj. Any other Linear is right. prune.remove puts the loaded weights in.
#
# Output seen (largest difference from the saved model's output):
#   Linear: 0
#   MultiheadAttention: 0.8
#   MultiheadAttention, after remove: 0
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 numpy==2.4.6
OMP_NUM_THREADS=1 "$place/env/bin/python" - <<'END'
import sys

import torch
from torch import nn
from torch.nn.utils import prune

x = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))


def masked(kind, seed):
    """(model, the Linear in it that is masked)"""
    torch.manual_seed(seed)
    model = nn.Linear(16, 16) if kind == "Linear" else nn.MultiheadAttention(16, 2, batch_first=True)
    layer = model if kind == "Linear" else model.out_proj
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return model.eval(), layer


@torch.no_grad()
def output(model):
    return model(x) if isinstance(model, nn.Linear) else model(x, x, x)[0]


def loaded(kind, *, remove=False):
    saved, _ = masked(kind, 0)
    model, layer = masked(kind, 1)
    model.load_state_dict(saved.state_dict())
    if remove:
        prune.remove(layer, "weight")
    return (output(model) - output(saved)).abs().max().item()


linear, attention = loaded("Linear"), loaded("MultiheadAttention")
removed = loaded("MultiheadAttention", remove=True)
print(f"Linear: {linear:.2g}\nMultiheadAttention: {attention:.2g}\nMultiheadAttention, after remove: {removed:.2g}")
sys.exit(not (linear < 1e-6 and attention > 0.1 and removed < 1e-6))
END
