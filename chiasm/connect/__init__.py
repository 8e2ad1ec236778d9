"""Connectors: from an encoder's features to visual tokens, step by step along routes that `place` computed."""
