"""Training runs as values: schooling an eye, aligning a connector, answering questions."""

from chiasm.train.run import run

__all__ = ["run"]
