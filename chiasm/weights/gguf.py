"""GGUF of the Llama kind, turned into the ecosystem's own folder: everything downstream only ever sees one kind.

Weights are unpacked by the `gguf` library, rounded to bf16 and named as `LlamaForCausalLM` names them. GGUF keeps the
rows of q and k as interleaved rotary pairs; the ecosystem keeps the two halves apart, so they are put back.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.errors import BadCheckpoint, need
from chiasm.weights.files import sha256
from chiasm.weights.gguf_tokenizer import SpecialIds, special_ids, write_tokenizer
from chiasm.weights.write import write_json, write_lazily

if TYPE_CHECKING:
    import torch

FLOATS = ("F32", "F16", "BF16")
QUANTISED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
ROWS_AT_ONCE = 16
HONOURED = frozenset(
    {
        "llama.block_count",
        "llama.context_length",
        "llama.embedding_length",
        "llama.feed_forward_length",
        "llama.vocab_size",
        "llama.attention.head_count",
        "llama.attention.head_count_kv",
        "llama.attention.key_length",
        "llama.attention.value_length",
        "llama.attention.layer_norm_rms_epsilon",
        "llama.rope.freq_base",
        "llama.rope.dimension_count",
        "llama.rope.scaling.type",
    }
)


@dataclass(frozen=True)
class Sizes:
    """The numbers of a Llama decoder as GGUF states them."""

    width: int
    depth: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    context: int
    vocabulary: int
    norm_eps: float
    rope_theta: float


@dataclass(frozen=True)
class Slot:
    """Where a tensor of the GGUF goes: its key in the ecosystem, its shape, the heads whose rows are interleaved."""

    key: str
    shape: tuple[int, ...]
    heads: int | None = None


def convert_gguf(path: Path, folder: Path) -> Path:
    """Writes the model folder of a GGUF file (config, bf16 safetensors, tokenizer, template); returns `folder`.

    Raises `BadCheckpoint` for a damaged file and, by name, for an architecture, field, tensor, kind or tokenizer that
    is not read; `MissingExtra` without the package gguf. Nothing is written before everything is checked.
    """
    facts, tensors = _read(path)
    sizes = _sizes(path, facts, tensors)
    slots = _slots(path, sizes, tensors)
    ids = special_ids(facts)
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(path, facts, folder, sizes.vocabulary, sizes.context)
    source = {"source": path.name, "source_sha256": sha256(path)}
    by_key = {slot.key: (tensors[name], slot) for name, slot in slots.items()}
    write_lazily(
        folder,
        {slot.key: 2 * prod(slot.shape) for slot in slots.values()},
        lambda key: _unpacked(*by_key[key]),
        source,
    )
    write_json(folder / "generation_config.json", ids.generation())
    write_json(folder / "config.json", _config(sizes, slots, ids))
    return folder


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    gguf = need("gguf", extra="gguf")
    try:
        with path.open("rb") as f:
            magic = f.read(4)
    except OSError as e:
        raise BadCheckpoint(f"{path} cannot be read: {e.strerror}.") from None
    if magic != b"GGUF":
        raise BadCheckpoint(f"{path} is not a GGUF file: it does not begin with GGUF.")
    try:
        reader = gguf.GGUFReader(path)
        facts = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {tensor.name: tensor for tensor in reader.tensors}
    except Exception:  # The library meets damaged bytes with whatever numpy or struct happens to raise.
        raise BadCheckpoint(f"{path} is damaged or cut short: its GGUF header does not describe the file.") from None
    if reader.endianess != gguf.GGUFEndian.LITTLE:
        raise BadCheckpoint(f"{path} is a big-endian GGUF file; little-endian was expected.")
    return facts, tensors


def _sizes(path: Path, facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> Sizes:
    architecture = facts.get("general.architecture")
    if architecture != "llama":
        raise BadCheckpoint(f"{path} is of the architecture {architecture!r}; only 'llama' is read from GGUF.")
    strange = sorted(name for name in facts if name.startswith("llama.") and name not in HONOURED)
    if strange:
        raise BadCheckpoint(f"{path} sets {strange[0]} = {facts[strange[0]]!r}, which is not read.")
    if facts.get("llama.rope.scaling.type", "none") != "none":
        raise BadCheckpoint(f"{path} scales its rotary positions ({facts['llama.rope.scaling.type']}): not read.")

    def fact(name: str, kind: type[int] | type[float], default: float | None = None) -> Any:
        value = facts.get(f"llama.{name}", default)
        if not isinstance(value, kind) or isinstance(value, bool) or value <= 0:
            raise BadCheckpoint(f"{path} has llama.{name} = {value!r}; a positive {kind.__name__} was expected.")
        return value

    if "token_embd.weight" not in tensors:
        raise BadCheckpoint(f"{path} lacks the tensor 'token_embd.weight'.")
    width, heads = fact("embedding_length", int), fact("attention.head_count", int)
    head_width = fact("attention.key_length", int, width // heads)
    for name in ("attention.value_length", "rope.dimension_count"):
        if fact(name, int, head_width) != head_width:
            raise BadCheckpoint(f"{path} has llama.{name} = {facts[f'llama.{name}']}, but heads of width {head_width}.")
    return Sizes(
        width=width,
        depth=fact("block_count", int),
        heads=heads,
        kv_heads=fact("attention.head_count_kv", int, heads),
        head_width=head_width,
        hidden=fact("feed_forward_length", int),
        context=fact("context_length", int),
        vocabulary=_shape(tensors["token_embd.weight"])[0],
        norm_eps=fact("attention.layer_norm_rms_epsilon", float),
        rope_theta=fact("rope.freq_base", float, 10000.0),
    )


def _slots(path: Path, sizes: Sizes, tensors: Mapping[str, Any]) -> dict[str, Slot]:
    slots = _whole(sizes, tensors)
    for layer in range(sizes.depth):
        slots |= _block(sizes, tensors, layer)
    for name, slot in slots.items():
        if name not in tensors:
            raise BadCheckpoint(f"{path} lacks the tensor {name!r}.")
        if _shape(tensors[name]) != slot.shape:
            raise BadCheckpoint(f"{path} holds {name!r} as {_shape(tensors[name])}; {slot.shape} was expected.")
        if tensors[name].tensor_type.name not in FLOATS + QUANTISED:
            raise BadCheckpoint(f"{path} holds {name!r} as {tensors[name].tensor_type.name}, a kind that is not read.")
    strange = [name for name in tensors if name not in slots]
    if strange:
        raise BadCheckpoint(f"{path} holds the tensor {strange[0]!r}, which a Llama decoder has no place for.")
    return slots


def _whole(sizes: Sizes, tensors: Mapping[str, Any]) -> dict[str, Slot]:
    matrix = (sizes.vocabulary, sizes.width)
    slots = {"token_embd.weight": Slot("model.embed_tokens.weight", matrix)}
    slots["output_norm.weight"] = Slot("model.norm.weight", (sizes.width,))
    if "output.weight" in tensors:
        slots["output.weight"] = Slot("lm_head.weight", matrix)
    return slots


def _block(sizes: Sizes, tensors: Mapping[str, Any], layer: int) -> dict[str, Slot]:
    q, kv = sizes.heads * sizes.head_width, sizes.kv_heads * sizes.head_width
    theirs, ours = f"blk.{layer}.", f"model.layers.{layer}."
    slots = {
        theirs + "attn_norm.weight": Slot(ours + "input_layernorm.weight", (sizes.width,)),
        theirs + "ffn_norm.weight": Slot(ours + "post_attention_layernorm.weight", (sizes.width,)),
    }
    linears = {
        "attn_q": ("self_attn.q_proj", q, sizes.width, sizes.heads),
        "attn_k": ("self_attn.k_proj", kv, sizes.width, sizes.kv_heads),
        "attn_v": ("self_attn.v_proj", kv, sizes.width, None),
        "attn_output": ("self_attn.o_proj", sizes.width, q, None),
        "ffn_gate": ("mlp.gate_proj", sizes.hidden, sizes.width, None),
        "ffn_up": ("mlp.up_proj", sizes.hidden, sizes.width, None),
        "ffn_down": ("mlp.down_proj", sizes.width, sizes.hidden, None),
    }
    for name, (key, rows, columns, heads) in linears.items():
        slots[f"{theirs}{name}.weight"] = Slot(f"{ours}{key}.weight", (rows, columns), heads)
        if f"{theirs}{name}.bias" in tensors:
            slots[f"{theirs}{name}.bias"] = Slot(f"{ours}{key}.bias", (rows,), heads)
    return slots


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in reversed(tensor.shape))


def _unpacked(tensor: Any, slot: Slot) -> torch.Tensor:
    import torch

    values = torch.from_numpy(_dequantised(tensor).reshape(slot.shape)).to(torch.bfloat16)
    if slot.heads is None:
        return values
    pairs = values.reshape(slot.heads, slot.shape[0] // slot.heads // 2, 2, -1)
    return pairs.transpose(1, 2).reshape(slot.shape).contiguous()


def _dequantised(tensor: Any) -> Any:
    """The numbers as float32. The library works 16 rows at a time whatever their length, so short rows are joined."""
    packed = tensor.data
    dequantize: Callable[..., Any] = need("gguf.quants", extra="gguf").dequantize
    if packed.ndim > 1 and packed.shape[0] % ROWS_AT_ONCE == 0:
        packed = packed.reshape(packed.shape[0] // ROWS_AT_ONCE, -1)
    values = dequantize(packed, tensor.tensor_type)
    return values if values.flags.writeable else values.copy()


def _config(sizes: Sizes, slots: Mapping[str, Slot], ids: SpecialIds) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.hidden,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_width,
        "hidden_act": "silu",
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.context,
        "rms_norm_eps": _short(sizes.norm_eps),
        "rope_theta": _short(sizes.rope_theta),
        "attention_bias": "blk.0.attn_q.bias" in slots,
        "mlp_bias": "blk.0.ffn_up.bias" in slots,
        "tie_word_embeddings": "output.weight" not in slots,
        **ids.generation(),
        "torch_dtype": "bfloat16",
    }


def _short(value: float) -> float:
    """The decimal that was meant: GGUF keeps float32, so 1e-05 comes back as 9.999999747378752e-06."""
    return float(f"{value:.7g}")
