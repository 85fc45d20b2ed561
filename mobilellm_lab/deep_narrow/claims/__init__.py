"""Chapter 2 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.deep_narrow.claims.statements import CLAIMS

__all__ = ["CLAIMS"]
