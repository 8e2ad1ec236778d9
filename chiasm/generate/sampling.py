"""How the next token is chosen, as data, and the ecosystem's generation_config.json read into it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chiasm.errors import UserError
from chiasm.generate.cycles import Cycle

log = logging.getLogger("chiasm")

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "num_beams": (1,),
    "num_beam_groups": (1,),
    "num_return_sequences": (1,),
    "typical_p": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "length_penalty": (1.0,),
    "diversity_penalty": (0.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "encoder_repetition_penalty": (1.0,),
    "early_stopping": (False,),
    "remove_invalid_values": (False,),
    "renormalize_logits": (False, True),
    "min_length": (0,),
    "penalty_alpha": (0.0,),
}
"""Fields that are not honoured, with the values that ask for nothing."""

INERT = frozenset(
    (
        *(
            "_from_model_config",
            "transformers_version",
            "trust_remote_code",
            "use_cache",
            "chat_format",
            "is_assistant",
        ),
        *("bos_token_id", "pad_token_id", "decoder_start_token_id", "return_dict_in_generate"),
        *("output_scores", "output_logits", "output_attentions", "output_hidden_states"),
        *("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"),
    )
)
"""Fields that do not touch the choice of tokens."""


DEFAULT_CYCLE = Cycle()


@dataclass(frozen=True)
class Contrast:
    """How far to move away from what is said of a distorted picture (VCD, arXiv:2311.16922): by `alpha` times the difference,
    among tokens of at least `beta` of the likeliest one's probability. `step` of 1000: how much noise; it comes from `seed`."""

    alpha: float = 1.0
    beta: float = 0.1
    step: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        _expect("alpha", self.alpha, self.alpha >= 0, "0 or above")
        _expect("beta", self.beta, 0 <= self.beta <= 1, "from 0 to 1")
        _expect("step", self.step, 0 <= self.step <= 1000, "from 0 to 1000")


USUAL = 256
"""Tokens of an answer at most, where neither whoever asks nor the model says how many."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen and when a row ends. The default is the likeliest token each time.

    `temperature` 0 takes the likeliest token; above it scores are divided by it and a token is drawn, after `top_k`
    kept the k best, `top_p` the smallest set with that much probability (arXiv:1904.09751), `min_p` what has at least
    that share of the best one's (arXiv:2407.01082). `repetition_penalty` weakens every token of the prompt and of the
    answer (arXiv:1909.05858). `seed`: row n draws from seed + n; none: a fresh seed each time. `stop_ids` end a row,
    but not before `min_new_tokens`; `forbidden_ids` are never chosen, nor are placeholders of pictures. `max_length`
    bounds prompt and answer together. `cycle` says what counts as endless repetition; none: nothing does.
    `contrast` moves away from what is said of a distorted picture.

    Raises `UserError` for a value out of range.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_new_tokens: int = USUAL
    min_new_tokens: int = 0
    max_length: int | None = None
    stop_ids: tuple[int, ...] = ()
    forbidden_ids: tuple[int, ...] = ()
    cycle: Cycle | None = DEFAULT_CYCLE
    contrast: Contrast | None = None

    def __post_init__(self) -> None:
        _expect("temperature", self.temperature, _finite(self.temperature) and self.temperature >= 0, "0 or above")
        _expect("top_k", self.top_k, self.top_k is None or _whole(self.top_k, 1), "a whole number of 1 or above, or none")
        _expect("top_p", self.top_p, _finite(self.top_p) and 0 < self.top_p <= 1, "above 0, at most 1")
        _expect("min_p", self.min_p, _finite(self.min_p) and 0 <= self.min_p <= 1, "from 0 to 1")
        penalty = self.repetition_penalty
        _expect("repetition_penalty", penalty, _finite(penalty) and penalty > 0, "above 0")
        _expect(
            "seed",
            self.seed,
            self.seed is None or (isinstance(self.seed, int) and abs(self.seed) < 1 << 62),
            "a whole number of 62 bits, or none",
        )
        _expect("max_new_tokens", self.max_new_tokens, _whole(self.max_new_tokens, 1), "a whole number of 1 or above")
        _expect("min_new_tokens", self.min_new_tokens, _whole(self.min_new_tokens, 0), "a whole number of 0 or above")
        longest = self.max_length
        _expect("max_length", longest, longest is None or _whole(longest, 1), "a whole number of 1 or above, or none")
        _expect("stop_ids", self.stop_ids, _are_ids(self.stop_ids), "ids of tokens")
        _expect("forbidden_ids", self.forbidden_ids, _are_ids(self.forbidden_ids), "ids of tokens")

    @classmethod
    def from_generation_config(cls, config: Mapping[str, Any]) -> Sampling:
        """What a generation_config.json asks for, absent fields as the ecosystem understands them: no drawing unless
        `do_sample`, and the 50 best where it draws. Fields that are not honoured are warned about by name."""
        given = {name: value for name, value in config.items() if value is not None}
        known = {"eos_token_id", "do_sample", "suppress_tokens", "bad_words_ids"}
        plain = {"repetition_penalty", "max_new_tokens", "min_new_tokens", "max_length"}
        drawn = {"temperature", "top_k", "top_p", "min_p"}
        for name, value in given.items():
            harmless = name in NEUTRAL and value in NEUTRAL[name]
            if name not in known | plain | drawn | INERT and not harmless:
                log.warning("generation_config.json: %s = %r is not honoured", name, value)
        chosen = {name: given[name] for name in plain if name in given}
        if given.get("do_sample", False):
            chosen |= {"temperature": 1.0, "top_k": 50} | {name: given[name] for name in drawn if name in given}
            chosen["top_k"] = chosen["top_k"] or None
        try:
            return cls(stop_ids=_ids("eos_token_id", given.get("eos_token_id", ())), forbidden_ids=_banned(given), **chosen)
        except UserError as e:
            raise UserError(f"generation_config.json: {e}") from None


def _ids(name: str, value: object) -> tuple[int, ...]:
    found = (value,) if isinstance(value, int) else value
    _expect(name, value, isinstance(found, list | tuple) and _are_ids(found), "ids of tokens")
    assert isinstance(found, list | tuple)
    return tuple(found)


def _banned(given: Mapping[str, Any]) -> tuple[int, ...]:
    """Ids that are never chosen: suppressed ones, and bad words of one token."""
    words = given.get("bad_words_ids", ())
    _expect("bad_words_ids", words, isinstance(words, list | tuple), "lists of ids")
    words = [_ids("bad_words_ids", word) for word in words]
    if any(len(word) != 1 for word in words):
        log.warning("generation_config.json: bad_words_ids of several tokens are not honoured")
    return (*_ids("suppress_tokens", given.get("suppress_tokens", ())), *(word[0] for word in words if len(word) == 1))


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least


def _are_ids(value: Iterable[object]) -> bool:
    return all(isinstance(one, int) for one in value)


def _expect(name: str, value: object, right: bool, wanted: str) -> None:
    if not right:
        raise UserError(f"{name} = {value!r}: it must be {wanted}")
