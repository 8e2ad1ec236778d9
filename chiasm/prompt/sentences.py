"""Vocabularies of SentencePiece (`tokenizer.model`), as Llama's first models and the originals of those that see with them have
theirs: pieces with a score, the best pair of which is joined first."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from chiasm.errors import BadCheckpoint

NAME = "tokenizer.model"
SPACE = "\u2581"
"""What stands for a space in the pieces."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
JOINED = 2
"""The kind of model that joins pairs."""
NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
"""What the files beside it call these tokens where they do not say."""


@dataclass(frozen=True)
class Piece:
    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class Pieces:
    """What a file says: its pieces, which kind of model reads them, whether unknown characters become bytes, whether a text
    begins with a space, and whether it is left as it is otherwise."""

    pieces: tuple[Piece, ...]
    kind: int
    bytes: bool
    begins: bool
    as_is: bool

    @classmethod
    def of(cls, file: Path) -> Pieces:
        """Reads a file. Raises `BadCheckpoint` for one that is no such model."""
        pieces, trained, settled = [], dict[int, Any](), dict[int, Any]()
        try:
            for number, value in _fields(file.read_bytes()):
                if number == 1:
                    said = dict(_fields(value))
                    score = struct.unpack("<f", said.get(2, bytes(4)))[0]
                    pieces.append(Piece(said[1].decode(), score, said.get(3, NORMAL)))
                elif number in (2, 3):
                    (trained if number == 2 else settled).update(_fields(value))
        except (OSError, IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error):
            pieces = []
        if not pieces or len({piece.text for piece in pieces}) < len(pieces):
            raise BadCheckpoint(f"{file} is no SentencePiece model that can be read; is it cut short?")
        as_is = not settled.get(2) and not settled.get(4, 1)
        return cls(tuple(pieces), trained.get(3, 1), bool(trained.get(35, 0)), bool(settled.get(3, 1)), as_is)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The numbered fields of a message in protocol buffers' form: whole numbers, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        match tag & 7:
            case 0:
                value, at = _number(data, at)
                yield tag >> 3, value
            case 2:
                length, at = _number(data, at)
                if at + length > len(data):
                    raise ValueError("cut short")
                yield tag >> 3, data[at : at + length]
                at += length
            case 1 | 5 as kind:
                length = 8 if kind == 1 else 4
                yield tag >> 3, data[at : at + length]
                at += length
            case _:
                raise ValueError("no field of this kind")


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def sentences(folder: Path, special: Mapping[str, str], config: Mapping[str, Any]) -> Tokenizer | None:
    """The tokenizer of a folder's `tokenizer.model`; none where its rules are others than joining pairs of a text as it is.
    `config` is what tokenizer_config.json says: `legacy` begins anew with a space after every control token."""
    said = Pieces.of(folder / NAME)
    unknown = next((piece.text for piece in said.pieces if piece.kind == UNKNOWN), None)
    if said.kind != JOINED or not said.as_is or unknown is None:
        return None
    vocabulary = {piece.text: number for number, piece in enumerate(said.pieces)}
    whole = sorted((p.text for p in said.pieces if p.kind == USER_DEFINED), key=len, reverse=True)
    model = models.BPE(
        vocab=vocabulary, merges=_merges(said.pieces, vocabulary), unk_token=unknown, fuse_unk=True, byte_fallback=said.bytes,
        ignore_merges=bool(whole),
    )  # fmt: skip
    tokenizer = Tokenizer(model)
    steps: list[pre_tokenizers.PreTokenizer] = []
    if said.begins and config.get("legacy") is False:
        steps.append(pre_tokenizers.Metaspace(SPACE, "first", split=False))
    else:
        before = [normalizers.Prepend(SPACE)] if said.begins else []
        tokenizer.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", SPACE)])
    if whole:
        steps.append(pre_tokenizers.Split(Regex("|".join(map(_plainly, whole))), "isolated"))
    if steps:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    stripped = [decoders.Strip(" ", 1, 0)] if said.begins else []
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *stripped])
    controls = [piece.text for piece in said.pieces if piece.kind in (UNKNOWN, CONTROL)]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in controls])
    _frame(tokenizer, special, config)
    return tokenizer


def _plainly(text: str) -> str:
    """A text as a pattern for itself."""
    return "".join(f"\\x{{{ord(letter):x}}}" for letter in text)


def _frame(tokenizer: Tokenizer, special: Mapping[str, str], config: Mapping[str, Any]) -> None:
    """What goes around a text: the beginning, unless the config does without it, and the end where it asks for one."""
    before = [special["bos_token"]] if config.get("add_bos_token", True) else []
    after = [special["eos_token"]] if config.get("add_eos_token", False) else []
    ids = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys((*before, *after))]
    if ids and all(number is not None for _, number in ids):
        pair = [*before, "$A", *after, *(f"{token}:1" for token in before), "$B:1", *(f"{token}:1" for token in after)]
        tokenizer.post_processor = processors.TemplateProcessing(single=[*before, "$A", *after], pair=pair, special_tokens=ids)


def _merges(pieces: tuple[Piece, ...], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every way in which two pieces make a third one, that of the best score first."""
    joins = {piece.text for piece in pieces if piece.kind == NORMAL}
    found: list[tuple[float, int, int, str, str]] = []
    for piece in pieces:
        if piece.kind != NORMAL:
            continue
        for cut in range(1, len(piece.text)):
            left, right = piece.text[:cut], piece.text[cut:]
            if left in joins and right in joins:
                found.append((-piece.score, ids[left], ids[right], left, right))
    found.sort()
    return [(left, right) for _, _, _, left, right in found]
