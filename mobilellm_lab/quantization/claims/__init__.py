"""Chapter 3 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.quantization.claims.statements import CLAIMS

__all__ = ["CLAIMS"]
