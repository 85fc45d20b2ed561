"""Count of the torch operations that a call dispatches"""

from collections.abc import Callable

from torch.utils._python_dispatch import TorchDispatchMode


def started_operations(call: Callable[[], object]) -> int:
    """Number of operations that one call dispatches, views included, since their dispatch costs as much."""
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
