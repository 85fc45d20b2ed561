#!/usr/bin/env bash
# torch 2.13.0 on a CPU (2026-11-30)
#
# A training is resumed: weights from the model's state dict, moments from the optimizer's, and the model is moved to
# channels_last, which changes no value. AdamW then goes on as before, except with fused=True: its kernel takes weights
# and moments for lying alike, while load_state_dict left the moments as they were saved. Each weight is moved by the
# moments of another one, without an error or a warning; the loss merely falls more slowly.
#
# Output seen (largest difference from fused=False after three steps with lr=0.01):
#   rows: 7e-09 (0 on some processors)
#   channels_last: 0.047
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 numpy==2.4.6
OMP_NUM_THREADS=1 "$place/env/bin/python" - <<'END'
import copy
import sys

import torch
from torch import nn

torch.manual_seed(0)
images = torch.randn(4, 3, 8, 8)


def train(model, optimizer):
    for _ in range(3):
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()


first = nn.Conv2d(3, 8, 3)
early = torch.optim.AdamW(first.parameters(), lr=0.01)
train(first, early)
weights, moments = copy.deepcopy((first.state_dict(), early.state_dict()))


def resumed(layout, *, fused):
    model = nn.Conv2d(3, 8, 3)
    model.load_state_dict(weights)
    model = model.to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    optimizer.load_state_dict(copy.deepcopy(moments))
    for group in optimizer.param_groups:
        group["fused"] = fused  # load_state_dict took the saved run's
    train(model, optimizer)
    return model.weight.detach()


right = resumed(torch.contiguous_format, fused=False)
rows, moved = (
    (resumed(layout, fused=True) - right).abs().max().item() for layout in (torch.contiguous_format, torch.channels_last)
)
print(f"rows: {rows:.0g}\nchannels_last: {moved:.2g}")
sys.exit(not (rows < 1e-6 and moved > 0.01 and torch.equal(right, resumed(torch.channels_last, fused=False))))
END
