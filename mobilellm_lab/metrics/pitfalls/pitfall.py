"""A pitfall of measuring: the wrong number, the right one, and the cure."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """Two numbers for one question, both measured just now."""

    name: str  # the key in PITFALLS
    title: str  # the error, "no warm-up"
    wrong: float  # the number that is often reported
    right: float  # the right one
    unit: str  # of both
    says_wrong: str  # conclusion from the wrong number
    says_right: str  # conclusion from the right one
    cure: str  # the right procedure
    series: dict[str, tuple[float, ...]]  # the samples behind both, for a picture

    @property
    def factor(self) -> float:
        """wrong / right."""
        return self.wrong / self.right if self.right else math.inf

    def __str__(self) -> str:
        said = f"  reported: {self.says_wrong}\n  in truth: {self.says_right}\n  cure:     {self.cure}"
        return f"{self.title}\n{said}"
