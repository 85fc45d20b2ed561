"""A pitfall of measuring: the wrong number, the right one, and the cure."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """Two numbers for one question, both measured just now."""

    name: str  # the key in PITFALLS
    title: str  # what was done wrong
    wrong: float  # the number that is usually printed
    right: float  # what it should have been
    unit: str  # of both
    says_wrong: str  # what a reader concludes from the wrong number
    says_right: str  # and from the right one
    cure: str  # what to do instead
    series: dict[str, tuple[float, ...]]  # the samples behind both, for a picture

    @property
    def factor(self) -> float:
        """wrong / right."""
        return self.wrong / self.right if self.right else math.inf

    def __str__(self) -> str:
        said = f"  reported: {self.says_wrong}\n  in truth: {self.says_right}\n  cure:     {self.cure}"
        return f"{self.title}\n{said}"
