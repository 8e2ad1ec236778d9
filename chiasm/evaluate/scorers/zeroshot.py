"""Zero-shot classification: classes as the mean of their prompts, and top-k."""

from __future__ import annotations

import numpy as np


def classifier(features_CPD: np.ndarray) -> np.ndarray:
    """open_clip's: each of a class's P prompts normalised, their mean normalised again: [C, D]."""
    return _unit(_unit(features_CPD).mean(1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)


def top_k(logits_IC: np.ndarray, target_I: np.ndarray, k: int) -> float:
    """How often the right class is among the k largest logits; of equal ones the first class comes first."""
    order = np.argsort(-logits_IC, axis=1, kind="stable")[:, :k]
    return float((order == target_I[:, None]).any(1).mean())
