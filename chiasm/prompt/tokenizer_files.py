"""What stands beside tokenizer.json (named tokens, added ones, switches), merged as transformers 5.23 merges it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from chiasm.weights.json_files import read_json

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def special_tokens(folder: Path) -> dict[str, str]:
    """The named tokens of a model folder (`bos_token`, `eos_token`, `image_token`, ...), as its templates see them."""
    return {name: token.content for name, token in Settings.from_folder(folder).named.items()}


@dataclass(frozen=True)
class Settings:
    """What stands beside tokenizer.json: named tokens, further special ones, added ones by id, and three switches."""

    named: dict[str, AddedToken]
    extra: tuple[AddedToken, ...]
    added: dict[int, AddedToken]
    clean_up: bool
    clean_up_bpe: bool
    split_special: bool
    config: dict[str, Any]
    """tokenizer_config.json itself."""

    @classmethod
    def from_folder(cls, folder: Path) -> Settings:
        """Raises `BadCheckpoint` for a file that is there and cannot be read."""
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
            config=config,
        )


def _if_there(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _token(raw: str | dict[str, Any]) -> AddedToken:
    if isinstance(raw, str):
        return AddedToken(raw, special=True, normalized=False)
    return AddedToken(raw["content"], **{"special": True} | {flag: raw[flag] for flag in FLAGS if flag in raw})


def add_missing(backend: tokenizers.Tokenizer, settings: Settings) -> None:
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
