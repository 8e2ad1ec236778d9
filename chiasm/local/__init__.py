"""A model on this machine, as an assistant: what comes in, what is written, what is compared."""

from chiasm.local.assistant import LocalAssistant
from chiasm.local.door import Door

__all__ = ["Door", "LocalAssistant"]
