"""Word and character error rates, by jiwer 4 and its defaults: space is collapsed, case and punctuation count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chiasm.errors import need


@dataclass(frozen=True)
class Errors:
    """Of a whole corpus: edits over all reference units, not a mean of rates."""

    wer: float
    mer: float
    wil: float
    cer: float


def errors(references: Sequence[str], hypotheses: Sequence[str]) -> Errors:
    """Raises `UserError` without jiwer."""
    jiwer = need("jiwer", "eval")
    words = jiwer.process_words(list(references), list(hypotheses))
    characters = jiwer.process_characters(list(references), list(hypotheses))
    return Errors(words.wer, words.mer, words.wil, characters.cer)
