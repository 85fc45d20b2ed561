#!/usr/bin/env bash
# torch 2.13.0 on a CPU (2026-11-30)
#
# The usual way to count or look at torch's operations is a TorchDispatchMode, and nothing is compiled by one. The first
# operation under such a mode imports torch's whole compiler all the same (torch._dynamo, sympy): about a second and 70
# MiB that stay. Where memory is measured or short, the counter is the largest part of what it watches. The import comes
# from a wrapper that each subclass gets, and is left out where its `_should_skip_dynamo` says False.
#
# Output seen (MiB of resident memory that the first operation adds):
#   a plain mode: compiler loaded, 71 MiB
#   skipped wrapper: compiler not loaded, 0 MiB
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 numpy==2.4.6 psutil==7.2.2
OMP_NUM_THREADS=1 "$place/env/bin/python" - <<'END'
import subprocess
import sys

CODE = """
import sys
import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Plain(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Unwrapped(Plain):
    @classmethod
    def _should_skip_dynamo(cls):
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


numbers = torch.ones(3)
numbers + numbers
before = psutil.Process().memory_info().rss
with globals()[sys.argv[1]]():
    numbers + numbers
grown = (psutil.Process().memory_info().rss - before) / 2**20
print("loaded" if "torch._dynamo" in sys.modules else "not loaded", round(grown), sep=", ")
"""
seen = {}
for name, words in (("Plain", "a plain mode"), ("Unwrapped", "skipped wrapper")):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE, name], check=True, capture_output=True, text=True)
    loaded, grown = done.stdout.strip().split(", ")
    print(f"{words}: compiler {loaded}, {grown} MiB")
    seen[name] = (loaded, int(grown))
sys.exit(not (seen["Plain"][0] == "loaded" and seen["Plain"][1] > 30 and seen["Unwrapped"][0] == "not loaded"))
END
