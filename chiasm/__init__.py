"""Chiasm: vision-language models over their whole life, one family as one value. Names load lazily; this pulls no torch."""

__version__ = "0.1.0"
