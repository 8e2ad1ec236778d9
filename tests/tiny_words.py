"""A folder's tokenizer of a few whole words, beside placeholders whose ids a reference has chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from chiasm.weights.write import write_json, write_text

WORDS = ("USER", "ASSISTANT", ":", "What", "happens", "here", "?", "user", "assistant", "system", "You", "are")


def words_only(folder: Path, taken: Mapping[str, int], more: Sequence[str] = ()) -> None:
    """`taken` are control tokens with their ids, `more` such without; ids are below 99."""
    free = [number for number in range(99) if number not in taken.values()]
    ids = {**taken, **dict(zip((*more, "<unk>", *WORDS), free, strict=False))}
    backend = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.add_special_tokens([*taken, *more])
    write_text(folder / "tokenizer.json", backend.to_str())
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "unk_token": "<unk>"})
