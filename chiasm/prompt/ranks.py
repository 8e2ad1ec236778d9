"""Vocabularies of ranked bytes (`*.tiktoken`), as Qwen's first models and Emu3 have theirs: a line for each token, its bytes in
base64 and its rank, which is its id and says which pair is joined first."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from chiasm.errors import BadCheckpoint

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)  # fmt: skip
SHARED = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{number}|>" for number in range(205)))
"""What follows the ranked tokens."""


@dataclass(frozen=True)
class Ranked:
    """A file of ranks: its name, the control tokens of models that see, in a file of their own or given here, and what the
    ones with a meaning are called."""

    name: str
    controls: tuple[str, ...] | str
    named: Mapping[str, str]

    def listed(self, folder: Path) -> tuple[str, ...]:
        """The control tokens that follow the shared ones. Raises `BadCheckpoint` where their file is missing."""
        if isinstance(self.controls, tuple):
            return self.controls
        try:
            lines = (folder / self.controls).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise BadCheckpoint(f"{folder / self.controls} cannot be read: {self.name} beside it needs it") from None
        return tuple(line.strip() for line in lines if line.strip())


RANKED = (
    Ranked(
        "qwen.tiktoken",
        ("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ),
    Ranked(
        "emu3.tiktoken",
        "emu3_vision_tokens.txt",
        {"bos_token": "<|extra_203|>", "eos_token": "<|extra_204|>", "pad_token": "<|endoftext|>"},
    ),
)


def ranks_in(folder: Path) -> Ranked | None:
    """The file of ranks of a folder, if it has one."""
    return next((one for one in RANKED if (folder / one.name).is_file()), None)


def ranked(folder: Path, one: Ranked) -> Tokenizer:
    """The tokenizer of a folder's file of ranks. Raises `BadCheckpoint` naming the line that is none."""
    ranks = _ranks(folder / one.name)
    letters = _letters()
    written = {"".join(letters[byte] for byte in token): rank for token, rank in ranks.items()}
    model = models.BPE(vocab=written, merges=_merges(ranks, letters), fuse_unk=False, ignore_merges=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in (*SHARED, *one.listed(folder))]
    )
    return tokenizer


def _ranks(file: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        token, _, rank = line.partition(b" ")
        try:
            if line:
                ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (binascii.Error, ValueError):
            raise BadCheckpoint(f"{file}: line {number} is no token in base64 and its rank; is the file damaged?") from None
    if sorted(ranks.values()) != list(range(len(ranks))) or len(ranks) < 256:
        raise BadCheckpoint(f"{file} does not rank its tokens from 0 on without gaps; is it cut short?")
    return ranks


def _merges(ranks: Mapping[bytes, int], letters: list[str]) -> list[tuple[str, str]]:
    """Every way in which two tokens make a third one, the lowest rank first."""
    found: list[tuple[int, int, int, bytes, bytes]] = []
    for token, rank in ranks.items():
        for cut in range(1, len(token)):
            left, right = ranks.get(token[:cut]), ranks.get(token[cut:])
            if left is not None and right is not None:
                found.append((rank, left, right, token[:cut], token[cut:]))
    found.sort(key=lambda merge: merge[:3])

    def spelt(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    return [(spelt(left), spelt(right)) for _, _, _, left, right in found]


def _letters() -> list[str]:
    """The visible character that stands for each byte in vocabularies of bytes (GPT-2's)."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(byte) for byte in range(256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    for number, byte in enumerate(hidden):
        letters[byte] = chr(256 + number)
    return letters
