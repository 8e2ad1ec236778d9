"""Text to ids and back, over the `tokenizers` library, from the files of a published folder.

What is read, and how the tokens of several files are merged, follows `PreTrainedTokenizerFast` of transformers 5.23.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from chiasm.errors import BadCheckpoint
from chiasm.prompt.ranks import ranked, ranks_in

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
CLEANUP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file; raises `BadCheckpoint` naming the file and the place if it is not one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as e:
        raise BadCheckpoint(f"{file} is not valid JSON (line {e.lineno}, column {e.colno}); is it cut short?") from None
    except UnicodeDecodeError:
        raise BadCheckpoint(f"{file} is not UTF-8 text; JSON was expected.") from None
    if not isinstance(content, dict):
        raise BadCheckpoint(f"{file} holds {type(content).__name__}; expected a JSON object.")
    return content


def special_tokens(folder: Path) -> dict[str, str]:
    """The named tokens of a model folder (`bos_token`, `eos_token`, `image_token`, ...), as its templates see them."""
    return {name: token.content for name, token in _Settings.from_folder(folder).named.items()}


class Tokenizer:
    """A vocabulary with its rules.

    `special` maps names (`bos_token`, ...) to token strings; `added` every added token to its id, special or not;
    `controls` those that steer a model: all of them but ordinary whitespace and single characters.
    Without a backend (a folder that has no tokenizer.json) it can be passed around, and says so when it is used.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer | None,
        special: Mapping[str, str] | None = None,
        *,
        clean_up: bool = False,
        origin: str = "this tokenizer",
    ) -> None:
        self._backend = backend
        self.special = dict(special or {})
        self.clean_up = clean_up
        self.origin = origin

    @cached_property
    def single_bytes(self) -> frozenset[int]:
        """The tokens of single bytes (`<0x0A>`), where the decoder joins a run of them before reading it as UTF-8."""
        if '"ByteFallback"' not in json.dumps(json.loads(self.backend.to_str())["decoder"]):
            return frozenset()
        ids = (self.backend.token_to_id(f"<0x{byte:02X}>") for byte in range(256))
        return frozenset(id for id in ids if id is not None)

    @staticmethod
    def stands_in(folder: Path) -> bool:
        """Whether a folder has a vocabulary of its own."""
        return (folder / "tokenizer.json").is_file() or ranks_in(folder) is not None

    @classmethod
    def from_folder(cls, folder: Path | str) -> Tokenizer:
        """Reads tokenizer.json with tokenizer_config.json, special_tokens_map.json and added_tokens.json beside it, or, where
        there is no tokenizer.json, a file of ranks.

        Raises `BadCheckpoint` for a file that is there and cannot be read.
        """
        folder = Path(folder)
        settings = _Settings.from_folder(folder)
        special = {name: token.content for name, token in settings.named.items()}
        file = folder / "tokenizer.json"
        if not file.is_file() and (one := ranks_in(folder)) is not None:
            return cls(ranked(folder, one), {**one.named, **special}, origin=str(folder / one.name))
        if not file.is_file():
            return cls(None, special, origin=str(folder))
        read_json(file)
        try:
            backend = tokenizers.Tokenizer.from_file(str(file))
        except Exception:  # the library raises bare Exception
            raise BadCheckpoint(
                f"{file} is JSON, but not a tokenizer that the `tokenizers` library {tokenizers.__version__} reads."
            ) from None
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = settings.split_special
        _add_missing(backend, settings)
        # transformers ignores the request to tidy spaces where it would damage text, which is with BPE.
        bpe = isinstance(backend.model, tokenizers.models.BPE)
        clean_up = settings.clean_up and (settings.clean_up_bpe or not bpe)
        return cls(backend, special, clean_up=clean_up, origin=str(file))

    @property
    def reads_text(self) -> bool:
        """Whether there is a backend."""
        return self._backend is not None

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """The library's own object; raises `BadCheckpoint` if the folder had none."""
        if self._backend is None:
            raise BadCheckpoint(
                f"{self.origin} has no tokenizer.json, so text cannot be read or written: copy the tokenizer's files "
                "of the published model there, or work with ids."
            )
        return self._backend

    @cached_property
    def added(self) -> Mapping[str, int]:
        return {token.content: id for id, token in self.backend.get_added_tokens_decoder().items()}

    @cached_property
    def controls(self) -> Mapping[str, int]:
        tokens = self.backend.get_added_tokens_decoder().items()
        return {t.content: id for id, t in tokens if t.special or not (t.content.isspace() or len(t.content) == 1)}

    @cached_property
    def skipped(self) -> frozenset[int]:
        """The ids that `decode` leaves out with `skip_special`."""
        return frozenset(id for id, token in self.backend.get_added_tokens_decoder().items() if token.special)

    @property
    def bos_id(self) -> int | None:
        return self._named("bos_token")

    @property
    def eos_id(self) -> int | None:
        return self._named("eos_token")

    @property
    def pad_id(self) -> int | None:
        return self._named("pad_token")

    @property
    def unk_id(self) -> int | None:
        return self._named("unk_token")

    def _named(self, name: str) -> int | None:
        token = self.special.get(name)
        return None if token is None else self.backend.token_to_id(token)

    def __len__(self) -> int:
        """Ids in all, added tokens included."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    def id_of(self, token: str) -> int:
        """The id of one token; raises `BadCheckpoint` if the vocabulary lacks it."""
        id = self.backend.token_to_id(token)
        if id is None:
            raise BadCheckpoint(f"{self.origin} has no token {token!r}, which this model needs.")
        return id

    @cached_property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that the tokenizer's own rules put before and after a text (often a beginning of sequence)."""
        encoding = self.backend.encode("a", add_special_tokens=True)
        inside = [k for k, special in enumerate(encoding.special_tokens_mask) if not special]
        first, last = (inside[0], inside[-1]) if inside else (len(encoding.ids), len(encoding.ids))
        return tuple(encoding.ids[:first]), tuple(encoding.ids[last + 1 :])

    def encode(self, text: str, *, framed: bool = False) -> list[int]:
        """The ids of trusted text, control tokens recognised; `framed` puts `frame` around them. Text that a person
        typed goes through `chiasm.prompt.encode`, where it cannot become a control token."""
        return list(self.backend.encode(text, add_special_tokens=framed).ids)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of ids, as transformers' `decode` gives it."""
        text = self.backend.decode([int(id) for id in ids], skip_special_tokens=skip_special)
        return tidied(text) if self.clean_up else text


def tidied(text: str) -> str:
    """Text without the spaces that word tokenizers leave before punctuation (`clean_up_tokenization_spaces`)."""
    for before, after in CLEANUP:
        text = text.replace(before, after)
    return text


@dataclass(frozen=True)
class _Settings:
    """What stands beside tokenizer.json: named tokens, further special ones, added ones by id, and three switches."""

    named: dict[str, AddedToken]
    extra: tuple[AddedToken, ...]
    added: dict[int, AddedToken]
    clean_up: bool
    clean_up_bpe: bool
    split_special: bool

    @classmethod
    def from_folder(cls, folder: Path) -> _Settings:
        config = _if_there(folder / "tokenizer_config.json")
        if "added_tokens_decoder" in config:
            added = {int(id): _token(raw) for id, raw in config["added_tokens_decoder"].items()}
        else:
            config |= _if_there(folder / "special_tokens_map.json")
            added = {}
        extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
        families_own = {}
        if isinstance(extra, dict):
            families_own, extra = extra, []
        named = {
            name: _token(raw)
            for name, raw in (config | families_own).items()
            if name in families_own or (name.endswith("_token") and isinstance(raw, (str, dict)))
        }
        if "added_tokens_decoder" not in config:
            special = {token.content for token in named.values()} | {_token(raw).content for raw in extra}
            for content, id in _if_there(folder / "added_tokens.json").items():
                added[id] = AddedToken(content, normalized=content not in special, special=content in special)
        by_content = {token.content: token for token in added.values()}
        return cls(
            named={name: by_content.get(token.content, token) for name, token in named.items()},
            extra=tuple(_token(raw) for raw in extra),
            added=added,
            clean_up=bool(config.get("clean_up_tokenization_spaces", False)),
            clean_up_bpe=bool(config.get("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output")),
            split_special=bool(config.get("split_special_tokens", False)),
        )


def _if_there(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _token(raw: str | dict[str, Any]) -> AddedToken:
    if isinstance(raw, str):
        return AddedToken(raw, special=True, normalized=False)
    return AddedToken(raw["content"], **{"special": True} | {flag: raw[flag] for flag in FLAGS if flag in raw})


def _add_missing(backend: tokenizers.Tokenizer, settings: _Settings) -> None:
    """Adds what the other files name and tokenizer.json lacks; where they differ on a token's flags, they win."""
    there = {_facts(token) for token in backend.get_added_tokens_decoder().values()}
    tokens = [token for _, token in sorted(settings.added.items()) if _facts(token) not in there]
    known = {token.content for token in tokens} | {content for content, *_ in there}
    for token in (*settings.named.values(), *settings.extra):
        if token.content not in known:
            known.add(token.content)
            tokens.append(token)
    if tokens:
        backend.add_tokens(tokens)


def _facts(token: AddedToken) -> tuple[object, ...]:
    return token.content, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special
