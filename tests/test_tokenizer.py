import json

import pytest
import tiny_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import CONTROLS, KINDS, NAMED
from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Backend

from chiasm.errors import BadCheckpoint
from chiasm.prompt import Detokenizer, Tokenizer
from chiasm.prompt.tokenizer_files import special_tokens

SENTENCES = [
    "What is in this picture?",
    "  two  spaces, a tab\tand\n\nlines \n",
    "<image>\nUSER: how many? ASSISTANT: two</s>",
    "Übung 数字 😀👩‍👩‍👧 e\u0301 \x00 \ufffd",
    "do n't , it 's fine . Really ? ' x ' we 've",
    "",
]


def reference(folder, **arguments):
    transformers = pytest.importorskip("transformers")
    return transformers.PreTrainedTokenizerFast.from_pretrained(folder, **arguments)


def write(folder, kind, config, **others):
    (folder / "tokenizer.json").write_text(KINDS[kind]().to_str(), encoding="utf-8")
    for name, content in {"tokenizer_config": config, **others}.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def assert_same(folder, special_tokens_map=True):
    ours, theirs = Tokenizer.from_folder(folder), reference(folder)
    assert dict(ours.added) == theirs.added_tokens_encoder
    assert (ours.bos_id, ours.eos_id, ours.pad_id, ours.unk_id) == (
        theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id, theirs.unk_token_id,
    )  # fmt: skip
    assert ours.special == theirs.special_tokens_map
    assert len(ours) == len(theirs)
    for text in SENTENCES:
        for framed in (True, False):
            ids = theirs.encode(text, add_special_tokens=framed)
            assert ours.encode(text, framed=framed) == ids
            for skip in (True, False):
                assert ours.decode(ids, skip_special=skip) == theirs.decode(ids, skip_special_tokens=skip)
    return ours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clean_up", [True, False])
def test_equal_to_transformers(tmp_path, kind, clean_up):
    assert_same(write(tmp_path, kind, NAMED | {"clean_up_tokenization_spaces": clean_up}))


def test_switches_for_a_beginning_do_not_overrule_the_file(tmp_path):
    ours = assert_same(write(tmp_path, "llama_legacy", NAMED | {"add_bos_token": False, "add_eos_token": True}))
    assert ours.frame == ((ours.bos_id,), ())


def test_tokens_that_only_the_configuration_names_are_added(tmp_path):
    first = len(KINDS["byte_level"]().get_vocab())
    decoder = {
        str(first): {"content": "<|vision|>", "special": True, "normalized": False, "rstrip": True},
        str(first + 1): {"content": "<tool_call>", "special": False, "normalized": False},
        "4": {"content": "<image>", "special": True, "normalized": False, "lstrip": True},
    }
    config = NAMED | {
        "added_tokens_decoder": decoder,
        "image_token": "<image>",
        "pad_token": "<filler>",
        "additional_special_tokens": ["<|vision|>", "<later>"],
    }
    ours = assert_same(write(tmp_path, "byte_level", config))
    assert ours.controls["<|vision|>"] == first
    assert ours.special["image_token"] == "<image>"
    assert {"<tool_call>", "<later>", "<filler>"} < ours.controls.keys()
    assert ours.skipped == {id for token, id in ours.added.items() if token != "<tool_call>"}


def test_older_files_are_read_where_the_newer_list_is_absent(tmp_path):
    names = {
        "bos_token": {"content": "<s>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False},
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "additional_special_tokens": ["<|old|>"],
    }
    first = len(KINDS["llama_legacy"]().get_vocab())
    added = {"<|old|>": first, "<b>": first + 1}
    folder = write(tmp_path, "llama_legacy", {"eos_token": "<pad>"}, special_tokens_map=names, added_tokens=added)
    ours = assert_same(folder)
    assert ours.special["eos_token"] == "</s>"
    assert special_tokens(folder) == ours.special


def test_truncation_and_padding_written_into_the_file_are_off(tmp_path):
    tokenizer = KINDS["byte_level"]()
    rules = json.loads(tokenizer.to_str())
    rules["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(rules))
    assert len(Tokenizer.from_folder(tmp_path).encode("What is in this picture?")) > 3


def test_a_folder_without_a_tokenizer_speaks_up_when_it_is_used(tmp_path):
    tokenizer = Tokenizer.from_folder(tmp_path)
    for use in (lambda: tokenizer.encode("x"), lambda: tokenizer.decode([1]), lambda: Detokenizer(tokenizer)):
        with pytest.raises(BadCheckpoint, match=r"no tokenizer\.json"):
            use()


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("tokenizer.json", '{"version": "1.0", "model": {', "cut short"),
        ("tokenizer.json", '{"version": "1.0"}', "not a tokenizer"),
        ("tokenizer_config.json", "[]", "an object was expected"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, named):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadCheckpoint) as refusal:
        Tokenizer.from_folder(tmp_path)
    assert str(tmp_path / name) in str(refusal.value)
    assert named in str(refusal.value)


def test_ordinary_whitespace_is_no_control_token():
    backend = Backend.from_str(tiny_tokenizers.byte_level().to_str())
    backend.add_tokens([AddedToken("   ", normalized=False), AddedToken("@", normalized=False), AddedToken("<tool>")])
    controls = Tokenizer(backend).controls
    assert "<tool>" in controls
    assert controls.keys() == {*CONTROLS, "<tool>"}


def streamed(tokenizer, ids, skip, sizes):
    stream, pieces, at = Detokenizer(tokenizer, skip_special=skip), [], 0
    while at < len(ids):
        size = sizes[at % len(sizes)]
        pieces.append(stream.feed(ids[at : at + size]))
        at += size
    return [*pieces, stream.close()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clean_up", [True, False])
@settings(max_examples=60)
@given(data=st.data())
def test_streaming_any_ids_equals_decoding_them(kind, clean_up, data):
    tokenizer = Tokenizer(KINDS[kind](), NAMED, clean_up=clean_up)
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=40))
    skip = data.draw(st.booleans())
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    assert "".join(streamed(tokenizer, ids, skip, sizes)) == tokenizer.decode(ids, skip_special=skip)


@settings(max_examples=200)
@given(ids=st.lists(st.integers(0, 8), max_size=12))
def test_a_space_that_tidying_may_remove_is_held_back(ids):
    words = ["a", "'", ".", "n't", "s", "'s", "n", "?", "x"]
    backend = Backend(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="x"))
    tokenizer = Tokenizer(backend, clean_up=True)
    assert "".join(streamed(tokenizer, ids, True, [1])) == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", ["byte_level", "llama_legacy", "llama_metaspace"])
@settings(max_examples=60)
@given(text=st.text(max_size=30).filter(lambda text: "\ufffd" not in text))
def test_no_piece_of_a_stream_holds_half_a_character(kind, text):
    tokenizer = Tokenizer(KINDS[kind](), NAMED)
    pieces = streamed(tokenizer, tokenizer.encode(text), False, [1])
    assert not any("\ufffd" in piece for piece in pieces)


def test_streaming_keeps_up():
    tokenizer = Tokenizer(tiny_tokenizers.byte_level(), NAMED)
    ids = tokenizer.encode("the picture shows a red square")
    stream = Detokenizer(tokenizer)
    assert [stream.feed([id]) for id in ids] == [tokenizer.decode([id]) for id in ids]


def test_a_run_of_bytes_is_held_back_because_a_bad_one_changes_it_all():
    tokenizer = Tokenizer(tiny_tokenizers.llama_legacy(), NAMED)
    byte = {k: tokenizer.backend.token_to_id(f"<0x{k:02X}>") for k in (0xE2, 0x82, 0xAC, 0xFF)}
    euro = [byte[0xE2], byte[0x82], byte[0xAC]]
    letter = tokenizer.encode("x")[-1]
    stream = Detokenizer(tokenizer)
    assert stream.feed([letter, *euro]) == "x"
    assert stream.feed([letter]) == "€x"
    assert stream.feed([*euro, byte[0xFF], letter]) == "\ufffd" * 4 + "x"
