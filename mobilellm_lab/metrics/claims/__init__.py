"""Chapter 7 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.metrics.claims.statements import CLAIMS

__all__ = ["CLAIMS"]
