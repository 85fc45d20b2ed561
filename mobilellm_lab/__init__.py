"""MobileLLM Lab: build a sub-1B language model, and measure what makes it fast on a phone."""

__version__ = "0.4.0"
