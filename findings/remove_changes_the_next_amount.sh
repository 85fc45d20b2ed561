#!/usr/bin/env bash
# torch 2.13.0 on a CPU (2026-12-01)
#
# A matrix is pruned in four rounds, by 20, 40, 60 and 80 %, as schedules are written down. With its mask in place each
# amount is a share of the weights that are left, and 96 % are zeros at the end. With prune.remove after each round,
# which is how a checkpoint is saved between rounds, the zeros are the smallest weights and count again: 80 %. Random
# pruning no longer knows them, hits some again, and arrives near 96 % either way. No call says which of these it did.
#
# Output seen (share of zeros after each round):
#   l1_unstructured: 0.2, 0.52, 0.808, 0.962
#   l1_unstructured, remove between: 0.2, 0.4, 0.6, 0.8
#   random_unstructured, remove between: 0.2, 0.524, 0.811, 0.965
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


def rounds(method, *, remove):
    torch.manual_seed(0)
    layer, found = nn.Linear(100, 100), []
    for amount in (0.2, 0.4, 0.6, 0.8):
        method(layer, "weight", amount=amount)
        found.append(round((layer.weight == 0).double().mean().item(), 3))
        if remove:
            prune.remove(layer, "weight")
    return found


found = {
    "l1_unstructured": rounds(prune.l1_unstructured, remove=False),
    "l1_unstructured, remove between": rounds(prune.l1_unstructured, remove=True),
    "random_unstructured, remove between": rounds(prune.random_unstructured, remove=True),
}
for name, shares in found.items():
    print(f"{name}: {', '.join(map(str, shares))}")
kept, removed, drawn = (shares[-1] for shares in found.values())
sys.exit(not (abs(kept - 0.9616) < 0.001 and abs(removed - 0.8) < 0.001 and abs(drawn - 0.9616) < 0.01))
END
