"""Tokenizers of every kind that published models use, small enough to build in a test."""

from collections.abc import Callable
from functools import lru_cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CONTROLS = (
    *("<unk>", "<s>", "</s>", "<pad>", "<image>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>"),
    *("<|vision_end|>", "<end_of_utterance>", "<|begin_of_text|>", "<fake>", "<<"),
)
CORPUS = [
    "What is in this picture? The picture shows a red square and two blue circles.",
    "USER: how many circles are there? ASSISTANT: there are two circles, and one square.",
    "system user assistant You are a helpful AI assistant. Übung macht den Meister. 数字 3 und 42 und 1990",
    "s im start end image pad vision of utterance begin text < > | / _",
] * 4
NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def fresh(make: Callable[..., Tokenizer]) -> Callable[..., Tokenizer]:
    """Made once, and given to everyone as one of their own, which may be changed."""
    kept = lru_cache(lambda *given: make(*given).to_str())
    return lambda *given: Tokenizer.from_str(kept(*given))


def added(**flags: bool) -> list[AddedToken]:
    return [AddedToken(token, special=True, normalized=False, **flags) for token in CONTROLS]


def framed(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


@fresh
def byte_level() -> Tokenizer:
    """Like GPT-2's, SmolLM2's and Qwen2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=500, special_tokens=added(), initial_alphabet=alphabet, show_progress=False),
    )
    return tokenizer


def _byte_fallback() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokens = [*added(), *(AddedToken(f"<0x{byte:02X}>", normalized=False, special=False) for byte in range(256))]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=450, special_tokens=tokens, show_progress=False))
    # The trainer makes the byte tokens added ones; in the published files they belong to the model's vocabulary alone.
    return _without_added_bytes(tokenizer)


def _without_added_bytes(tokenizer: Tokenizer) -> Tokenizer:
    import json

    rules = json.loads(tokenizer.to_str())
    rules["added_tokens"] = [token for token in rules["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(rules))


@fresh
def llama_legacy() -> Tokenizer:
    """Like Llama 2's and LLaVA 1.5's: a space is put before every piece of text between added tokens."""
    tokenizer = _byte_fallback()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return framed(tokenizer)


@fresh
def llama_metaspace() -> Tokenizer:
    """Like the same files as converted later: a space before the first piece alone."""
    tokenizer = _byte_fallback()
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return framed(tokenizer)


@fresh
def word_level(split_punctuation: bool = True) -> Tokenizer:
    words = dict.fromkeys(word for line in CORPUS for word in line.split())
    vocab = {token: k for k, token in enumerate([*CONTROLS, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace() if split_punctuation else pre_tokenizers.WhitespaceSplit()
    tokenizer.add_tokens(added())
    return framed(tokenizer)


@fresh
def unigram() -> Tokenizer:
    """Like T5's and Gemma's: the model's own vocabulary holds the control tokens, and could produce them."""
    pieces = [(token, 0.0) for token in CONTROLS] + [("▁", -3.0)]
    words = dict.fromkeys(word for line in CORPUS for word in line.split())
    pieces += [(f"▁{word}", -5.0) for word in words if len(word) > 1]
    pieces += [(letter, -8.0) for letter in dict.fromkeys("".join(words)) if letter not in "▁"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.add_tokens(added())
    return framed(tokenizer)


@fresh
def word_piece() -> Tokenizer:
    """Like BERT's, with the tokens' flags that reach into the whitespace beside them."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    tokens = added(lstrip=True, rstrip=True)
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=tokens, show_progress=False))
    return framed(tokenizer)


KINDS = {
    "byte_level": byte_level,
    "llama_legacy": llama_legacy,
    "llama_metaspace": llama_metaspace,
    "word_level": word_level,
    "word_level_split": lambda: word_level(False),
    "unigram": unigram,
    "word_piece": word_piece,
}
