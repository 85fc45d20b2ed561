"""Chapter 1 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.constraints.claims.statements import CLAIMS

__all__ = ["CLAIMS"]
