"""Tiny random checkpoints of the families, with the outputs of the code that defines them: what `check` proves by."""
