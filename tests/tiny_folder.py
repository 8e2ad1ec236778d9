"""A whole model folder small enough to make in a test: random weights, a real tokenizer, tiles with marks."""

from pathlib import Path

import torch
from tiny_tokenizers import NAMED, byte_level

from chiasm.model import Causal
from chiasm.spec import (
    Block,
    Buckets,
    Decoder,
    Merge,
    Mlp,
    Norm,
    Pixels,
    Rope,
    RowColumn,
    Sight,
    Splice,
    TileGrid,
    ViT,
)
from chiasm.spec import Causal as CausalSpec
from chiasm.spec_json import to_json
from chiasm.weights.write import write_json, write_safetensors, write_text

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_spec(context: int = 600) -> CausalSpec:
    """At most 2 x 2 tiles of 28 pixels and the whole: 4 visual tokens a view."""
    eye = ViT(Block(16, 2, 24, 2, 8, Norm("layer")), 2, 7, Buckets(4), post_norm="applied")
    block = Block(16, 2, 24, 1, 8, Norm("rms"), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False)
    tokenizer = byte_level()
    decoder = Decoder(block, 2, tokenizer.get_vocab_size(), Rope(), context, tied=True)
    steps = (Merge(2), Mlp(16, 16, depth=1, bias=False))
    image = tokenizer.token_to_id("<image>")
    assert image is not None
    marks = RowColumn("<fake>", "<row_{row}_col_{column}>", "<whole>")
    return CausalSpec(decoder, Sight(TileGrid(56, 28), Pixels(), eye, steps, Splice(image), marks))


def tiny_folder(folder: Path, context: int = 600, modules: Causal | None = None) -> Path:
    """Writes the folder as a published one lies on a disk; of other modules where they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    _write(folder, Causal(tiny_spec(context)) if modules is None else modules)
    write_json(folder / "generation_config.json", {"eos_token_id": byte_level().token_to_id("<|im_end|>")})
    write_text(folder / "chat_template.jinja", CHAT)
    return folder


def tiny_decoder(folder: Path) -> Path:
    """Writes its decoder alone, with the tokenizer and without a template."""
    torch.manual_seed(0)
    _write(folder, Causal(CausalSpec(tiny_spec().decoder)))
    return folder


def _write(folder: Path, modules: Causal) -> None:
    weights = {name: parameter.detach() for name, parameter in modules.named_parameters()}
    write_safetensors(folder / "model.safetensors", weights)
    write_json(folder / "config.json", {"model_type": "chiasm", "spec": to_json(modules.spec)})
    write_text(folder / "tokenizer.json", byte_level().to_str())
    write_json(folder / "tokenizer_config.json", {**NAMED, "tokenizer_class": "PreTrainedTokenizerFast"})
