"""Torch operations that a call starts: counted, not estimated"""

from collections.abc import Callable

from torch.utils._python_dispatch import TorchDispatchMode


def started_operations(call: Callable[[], object]) -> int:
    """What torch is asked to do by one call, views included: they cost as much to start as any other operation."""
    with _Counter() as counter:
        call()
    return counter.count


class _Counter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here; torch would import its compiler for it: a second and 85 MiB

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))
