"""Text to ids and back, over the `tokenizers` library, from the files of a published folder.

What is read follows `PreTrainedTokenizerFast` of transformers 5.23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import tokenizers

from chiasm.errors import BadCheckpoint
from chiasm.prompt import sentences
from chiasm.prompt.ranks import ranked, ranks_in
from chiasm.prompt.tokenizer_files import Settings, add_missing
from chiasm.weights.json_files import read_json

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


class Tokenizer:
    """A vocabulary with its rules.

    `special` maps names (`bos_token`, ...) to token strings; `added` every added token to its id, special or not;
    `controls` those that steer a model: all of them but ordinary whitespace and single characters. `apart` are placeholders
    that the vocabulary lacks: what stands between them is read piece by piece, each as if it were a text of its own.
    Without a backend (a folder that has no tokenizer.json) it can be passed around, and says so when it is used.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer | None,
        special: Mapping[str, str] | None = None,
        *,
        clean_up: bool = False,
        origin: str = "this tokenizer",
        apart: tuple[str, ...] = (),
    ) -> None:
        self._backend = backend
        self.special = dict(special or {})
        self.clean_up = clean_up
        self.origin = origin
        self.apart = apart

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
        return any((folder / name).is_file() for name in ("tokenizer.json", sentences.NAME)) or ranks_in(folder) is not None

    @classmethod
    def from_folder(cls, folder: Path | str) -> Tokenizer:
        """Reads tokenizer.json with tokenizer_config.json, special_tokens_map.json and added_tokens.json beside it, or, where
        there is no tokenizer.json, a file of ranks or a SentencePiece model that joins pairs.

        Raises `BadCheckpoint` for a file that is there and cannot be read.
        """
        folder = Path(folder)
        settings = Settings.from_folder(folder)
        special = {name: token.content for name, token in settings.named.items()}
        file = folder / "tokenizer.json"
        if not file.is_file() and (one := ranks_in(folder)) is not None:
            return cls(ranked(folder, one), {**one.named, **special}, origin=str(folder / one.name))
        if not file.is_file() and (folder / sentences.NAME).is_file():
            special = {**sentences.NAMED, **special}
            made = sentences.sentences(folder, special, settings.config)
            if made is not None:
                add_missing(made, settings)
                return cls(made, special, origin=str(folder / sentences.NAME))
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
        add_missing(backend, settings)
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

    @cached_property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that the tokenizer's own rules put before and after a text (often a beginning of sequence)."""
        encoding = self.backend.encode("a", add_special_tokens=True)
        inside = [k for k, special in enumerate(encoding.special_tokens_mask) if not special]
        first, last = (inside[0], inside[-1]) if inside else (len(encoding.ids), len(encoding.ids))
        return tuple(encoding.ids[:first]), tuple(encoding.ids[last + 1 :])

    def read(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of trusted text and the characters (start, end) of each, without a frame."""
        return read(self.backend, text, self.apart)

    def encode(self, text: str, *, framed: bool = False) -> list[int]:
        """The ids of trusted text, control tokens recognised; `framed` puts `frame` around them. Text that a person
        typed goes through `chiasm.prompt.encode`, where it cannot become a control token."""
        return list(self.backend.encode(text, add_special_tokens=framed).ids)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of ids, as transformers' `decode` gives it."""
        text = self.backend.decode([int(id) for id in ids], skip_special_tokens=skip_special)
        return tidied(text) if self.clean_up else text


def read(backend: tokenizers.Tokenizer, text: str, apart: Sequence[str]) -> tuple[list[int], list[tuple[int, int]]]:
    """What a backend makes of a text whose pieces between the tokens `apart` it is given one by one."""
    if not apart:
        whole = backend.encode(text, add_special_tokens=False)
        return list(whole.ids), list(whole.offsets)
    ids, offsets, at = list[int](), list[tuple[int, int]](), 0
    for piece in re.split(f"({'|'.join(map(re.escape, apart))})", text):
        one = backend.encode(piece, add_special_tokens=False)
        ids += one.ids
        offsets += [(at + start, at + end) for start, end in one.offsets]
        at += len(piece)
    return ids, offsets


def tidied(text: str) -> str:
    """Text without the spaces that word tokenizers leave before punctuation (`clean_up_tokenization_spaces`)."""
    for before, after in CLEANUP:
        text = text.replace(before, after)
    return text
