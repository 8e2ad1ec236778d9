"""The tokenizer inside a GGUF file, written as the ecosystem's tokenizer files (byte-level BPE kinds)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.errors import BadCheckpoint
from chiasm.weights.write import replacing, write_json, write_text

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

CONTROL, USER_DEFINED = 3, 4
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MARKS = {"bos": "bos_token_id", "eos": "eos_token_id", "unk": "unknown_token_id", "pad": "padding_token_id"}


@dataclass(frozen=True)
class SpecialIds:
    """The ids that begin, end and pad a text; a model may end in several ways (end of text, end of turn)."""

    bos: int | None
    ends: tuple[int, ...]
    pad: int | None

    def generation(self) -> dict[str, Any]:
        """The fields of generation_config.json (and of config.json) that say the same; absent ones are left out."""
        ends = self.ends[0] if len(self.ends) == 1 else list(self.ends) or None
        fields = {"bos_token_id": self.bos, "eos_token_id": ends, "pad_token_id": self.pad}
        return {name: value for name, value in fields.items() if value is not None}


def special_ids(facts: Mapping[str, Any]) -> SpecialIds:
    """The special ids among the metadata of a GGUF file."""
    ends = [facts.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot")]
    return SpecialIds(
        bos=facts.get("tokenizer.ggml.bos_token_id"),
        ends=tuple(dict.fromkeys(end for end in ends if end is not None)),
        pad=facts.get("tokenizer.ggml.padding_token_id"),
    )


def write_tokenizer(path: Path, facts: Mapping[str, Any], folder: Path, rows: int, context: int) -> None:
    """Writes tokenizer.json, tokenizer_config.json and, where there is one, chat_template.jinja into `folder`.

    `rows` is the height of the embedding, `context` the longest sequence. Raises `BadCheckpoint` by name for a kind of
    tokenizer that is not read and for metadata that contradict themselves.
    """
    kind = facts.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise BadCheckpoint(f"{path} has a tokenizer of kind {kind!r}; only 'gpt2' (byte-level BPE) is read from GGUF.")
    tokens, kinds = _tokens(path, facts, rows)
    tokenizer = _bpe(path, facts, tokens)
    marks = _marks(path, facts, tokens)
    tokenizer.add_tokens([_added(token, kind) for token, kind in zip(tokens, kinds, strict=True) if _is_added(kind)])
    _add_ends(tokenizer, facts, marks, tokens)
    with replacing(folder / "tokenizer.json") as part:
        tokenizer.save(str(part))
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    write_json(folder / "tokenizer_config.json", _config(tokens, kinds, marks, special, context))
    if template := facts.get("tokenizer.chat_template"):
        write_text(folder / "chat_template.jinja", template)


def _tokens(path: Path, facts: Mapping[str, Any], rows: int) -> tuple[list[str], list[int]]:
    tokens = facts.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not 0 < len(tokens) <= rows or len(set(tokens)) < len(tokens):
        raise BadCheckpoint(f"{path} has no usable tokenizer.ggml.tokens: 1 to {rows} different tokens were expected.")
    kinds = facts.get("tokenizer.ggml.token_type", [1] * len(tokens))
    if len(kinds) != len(tokens):
        raise BadCheckpoint(f"{path} has {len(tokens)} tokens but {len(kinds)} token types.")
    return tokens, kinds


def _bpe(path: Path, facts: Mapping[str, Any], tokens: list[str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models

    words = facts.get("tokenizer.ggml.pre")
    known = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ")) for merge in facts.get("tokenizer.ggml.merges", [])]
    for merge in merges:
        if len(merge) != 2 or not {*merge, "".join(merge)} <= known.keys():
            raise BadCheckpoint(f"{path} has the merge {' '.join(merge)!r}, which its tokens do not allow.")
    tokenizer = Tokenizer(models.BPE(vocab=known, merges=merges, ignore_merges=words == "llama-bpe"))
    tokenizer.pre_tokenizer = _words(path, words)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _words(path: Path, kind: object) -> PreTokenizer:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

    match kind:
        case "smollm":
            return Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)])
        case "gpt-2":
            return ByteLevel(add_prefix_space=False, use_regex=True)
        case "llama-bpe":
            split = Split(Regex(LLAMA3_WORDS), behavior="isolated")
            return Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    raise BadCheckpoint(f"{path} cuts words by {kind!r} (tokenizer.ggml.pre); smollm, gpt-2 and llama-bpe are read.")


def _marks(path: Path, facts: Mapping[str, Any], tokens: list[str]) -> dict[str, str]:
    marks: dict[str, str] = {}
    for mark, name in MARKS.items():
        at = facts.get(f"tokenizer.ggml.{name}")
        if at is None:
            continue
        if at >= len(tokens):
            raise BadCheckpoint(f"{path} has tokenizer.ggml.{name} = {at}, but only {len(tokens)} tokens.")
        marks[mark] = tokens[at]
    return marks


def _is_added(kind: int) -> bool:
    return kind in (CONTROL, USER_DEFINED)


def _added(token: str, kind: int) -> AddedToken:
    from tokenizers import AddedToken

    return AddedToken(token, special=kind == CONTROL, normalized=False)


def _add_ends(tokenizer: Tokenizer, facts: Mapping[str, Any], marks: Mapping[str, str], tokens: list[str]) -> None:
    from tokenizers.processors import TemplateProcessing

    before = [marks["bos"]] if facts.get("tokenizer.ggml.add_bos_token") and "bos" in marks else []
    after = [marks["eos"]] if facts.get("tokenizer.ggml.add_eos_token") and "eos" in marks else []
    if before or after:
        special = [(token, tokens.index(token)) for token in dict.fromkeys(before + after)]
        single = [*before, "$A", *after]
        pair = [*single, *(f"{piece}:1" for piece in [*before, "$B", *after])]
        tokenizer.post_processor = TemplateProcessing(single=single, pair=pair, special_tokens=special)


def _config(tokens: list[str], kinds: list[int], marks: Mapping[str, str], special: list[str], context: int) -> dict[str, Any]:
    decoder = {
        str(i): {
            "content": token,
            "special": kind == CONTROL,
            "normalized": False,
            "lstrip": False,
            "rstrip": False,
            "single_word": False,
        }
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if _is_added(kind)
    }
    others = [token for token in special if token not in marks.values()]
    return {
        "added_tokens_decoder": decoder,
        "additional_special_tokens": others,
        **{f"{mark}_token": token for mark, token in marks.items()},
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
