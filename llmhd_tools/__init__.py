"""llmhd: find and handle noise in the implicit feedback that recommenders learn from."""

__version__ = "0.1.0"
