"""Compositions as folders: our own layout, which holds any of them, and LLaVA's, for those that are one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chiasm.compose.composition import Composition
from chiasm.errors import UserError
from chiasm.layout import ACTS, Config, Reading
from chiasm.model import Causal
from chiasm.prompt.taught import seeing
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.readers import RESAMPLE
from chiasm.registry import layout
from chiasm.spec import Bare, Decoder, Mlp, Pixels, Resize, Rope, Sight, Splice, Table, ViT
from chiasm.spec_json import to_json
from chiasm.weights.write import write_folder, write_json, write_text

TEXT_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
CHAT = (
    "{% for message in messages %}{{ message['role'].upper() }}: "
    "{% for part in message['content'] %}{% if part['type'] in ('image', 'video') %}<image>\n"
    "{% elif part['type'] == 'text' %}{% if message['role'] != 'assistant' %}{{ part['text'] }}"
    "{% else %}{% generation %}{{ part['text'] }}{% endgeneration %}{% endif %}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""For compositions without a template of their own."""

SAID = {act: name for name, act in reversed(ACTS.items())}
"""Activations as configs spell them."""
TOWERS: dict[str, dict[str, Any]] = {"clip_vision_model": {}, "siglip_vision_model": {"vision_use_head": False}}
"""Towers as configs name them, and how they say that there is no head."""
NUMBERS = {name: number for number, name in RESAMPLE.items()}
"""Ways of resampling as preprocessors write them."""


def write(made: Composition, model: Causal, folder: Path) -> Path:
    """Everything in one folder under our own names; the language model's tokenizer beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_folder(folder, dict(model.named_parameters()))
    write_json(folder / "config.json", {"model_type": "chiasm", "spec": to_json(made.spec), "image_token": made.image_token})
    _text_side(made, folder)
    return folder


def _text_side(made: Composition, folder: Path) -> None:
    described = made.language.origin.described
    if described is not None:
        for name in TEXT_FILES:
            if (described.folder / name).is_file():
                shutil.copyfile(described.folder / name, folder / name)
    write_text(folder / "chat_template.jinja", made.chat or CHAT.replace("<image>", made.image_token))


def write_llava(made: Composition, model: Causal, folder: Path) -> Path:
    """LLaVA's published layout, which vLLM, llama.cpp, transformers and others read.

    Where the placeholder's id has no row in the embedding, rows of zeros are added, up to a multiple of 64. Raises
    `UserError` for a composition that this layout cannot say.
    """
    from chiasm.weights.keys import published

    config, reading = said_as_llava(made)
    tensors: dict[str, Tensor] = dict(model.named_parameters())
    vocab = reading.spec.decoder.vocab
    for name in ("language.embed.weight", "head.weight"):
        if name in tensors:
            tensors[name] = _longer(tensors[name], vocab)
    folder.mkdir(parents=True, exist_ok=True)
    write_folder(folder, published(tensors, reading.keys))
    write_json(folder / "config.json", config)
    sight = made.spec.sight
    assert sight is not None and isinstance(sight.views, Resize)
    write_json(folder / "preprocessor_config.json", _processor(sight.views, sight.pixels))
    _text_side(made, folder)
    if (folder / "tokenizer.json").is_file():
        known = Tokenizer.from_folder(folder)
        if made.image_token not in known.added:
            seen = seeing(known, made.image_token, config["image_token_index"])
            write_text(folder / "tokenizer.json", seen.backend.to_str())
    return folder


def said_as_llava(made: Composition) -> tuple[dict[str, Any], Reading]:
    """The config.json that reads back to the composition, and its keys."""
    spec = made.spec
    sight, decoder = spec.sight, spec.decoder
    match sight:
        case Sight(
            views=Resize(halfway=None) as views,
            encoder=ViT(position=Table() as table, sees="frame") as tower,
            connector=(Mlp(depth=2, gated=False) as mlp,),
            fusion=Splice(image),
            marks=Bare(),
        ) if isinstance(decoder.rope, Rope):
            pass
        case _:
            raise UserError(
                "this composition is no LLaVA, which has one resized view, a ViT with a table of places, two linear layers "
                "and a decoder of the Llama kind: save it in Chiasm's own layout"
            )
    vocab = decoder.vocab if image < decoder.vocab else -(-(image + 1) // 64) * 64
    wanted = replace(spec, decoder=replace(decoder, vocab=vocab))
    for (vision, headless), text in product(TOWERS.items(), ("llama", "qwen2", "mistral")):
        config = {
            "model_type": "llava",
            "architectures": ["LlavaForConditionalGeneration"],
            "image_token_index": image,
            "projector_hidden_act": SAID[mlp.act],
            "multimodal_projector_bias": mlp.bias,
            "vision_feature_layer": tower.taps[0] if len(tower.taps) == 1 else list(tower.taps),
            "vision_feature_select_strategy": "full" if tower.cls in ("keep", "none") else "default",
            "tie_word_embeddings": decoder.tied,
            "vision_config": {"model_type": vision, **_tower(tower, table), **headless},
            "text_config": {"model_type": text, **_decoder(decoder, vocab, decoder.rope)},
        }
        pixels = Config(_processor(views, sight.pixels), "preprocessor_config.json", layout)
        reading = layout("llava", "config.json").read(Config(config, "config.json", layout, pixels))
        if reading.spec == wanted:
            return config, reading
    raise UserError("this composition's tower or decoder has what LLaVA's layout cannot say: save it in Chiasm's own layout")


def _tower(tower: ViT, table: Table) -> dict[str, Any]:
    return {
        "hidden_size": tower.block.width,
        "intermediate_size": tower.block.mlp_width,
        "num_hidden_layers": tower.depth,
        "num_attention_heads": tower.block.heads,
        "image_size": table.side * tower.patch,
        "patch_size": tower.patch,
        "hidden_act": SAID[tower.block.act],
        "layer_norm_eps": tower.block.norm.eps,
    }


def _decoder(decoder: Decoder, vocab: int, rope: Rope) -> dict[str, Any]:
    block = decoder.block
    return {
        "vocab_size": vocab,
        "hidden_size": block.width,
        "intermediate_size": block.mlp_width,
        "num_hidden_layers": decoder.depth,
        "num_attention_heads": block.heads,
        "num_key_value_heads": block.kv_heads,
        "head_dim": block.head_width,
        "hidden_act": SAID[block.act],
        "rms_norm_eps": block.norm.eps,
        "max_position_embeddings": decoder.context,
        "rope_theta": rope.theta,
        "tie_word_embeddings": decoder.tied,
        **({} if decoder.window is None else {"sliding_window": decoder.window}),
    }


def _processor(views: Resize, pixels: Pixels) -> dict[str, Any]:
    size = {"height": views.height, "width": views.width}
    cropped = views.fit == "crop"
    return {
        "image_processor_type": "CLIPImageProcessor" if cropped else "SiglipImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": views.shortest or views.height} if cropped else size,
        "do_center_crop": cropped,
        **({"crop_size": size} if cropped else {}),
        "do_rescale": True,
        "rescale_factor": pixels.scale,
        "do_normalize": True,
        "image_mean": list(pixels.mean),
        "image_std": list(pixels.std),
        "resample": NUMBERS[pixels.resample],
        "do_convert_rgb": True,
    }


def _longer(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(count - len(rows), rows.shape[1])])
