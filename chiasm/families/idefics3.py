"""Idefics3 (arXiv:2408.12637) and SmolVLM (arXiv:2504.05299): a grid of tiles with marks, pixel shuffle, one linear layer."""

from dataclasses import replace

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.readers import HALF, VIT_KEYS, head_keys, pixels, vit_block
from chiasm.spec import (
    Buckets,
    Causal,
    Decoder,
    Family,
    Llama3Scaling,
    Merge,
    Mlp,
    Pixels,
    Rope,
    RowColumn,
    Sight,
    Splice,
    TileGrid,
    ViT,
)
from chiasm.towers.decoders import llama_like
from chiasm.towers.plain import sigmoid_tower

MARKS = RowColumn(edge="<fake_token_around_image>", tile="<row_{row}_col_{column}>", whole="<global-img>")


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=1152, heads=16, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch = c.get("patch_size", 32)
    c.only("num_channels", 3)
    c.inert("size", "max_image_size", "use_base_siglip")
    position = Buckets(c.get("image_size", 224) // patch)
    spec = ViT(block, c.get("num_hidden_layers", 12), patch, position, post_norm="applied")
    return Reading(spec, VIT_KEYS)


def read(c: Config) -> Reading:
    c.assume(text_config={"model_type": "llama", "rms_norm_eps": 1e-5})
    vision, text = c.part("vision_config", "idefics3_vision"), c.part("text_config", "llama")
    c.nested[1].only("use_resampler", False)
    c.nested[1].only("qk_layer_norms", False)
    c.nested[1].inert("pixel_shuffle_factor", "perceiver_config", "neftune_noise_alpha")
    c.inert("_pad_token_id", "image_seq_len", "vocab_size", "freeze_config")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    scale = c.get("scale_factor", 2)
    longest = c.pixels.get("size", {"longest_edge": 4 * 364})["longest_edge"]
    tile = c.pixels.get("max_image_size", {"longest_edge": 364})["longest_edge"]
    c.pixels.inert("return_row_col_info", "max_pixel_size", "video_sampling")
    sight = Sight(
        TileGrid(longest, tile, split=c.pixels.get("do_image_splitting", True)),
        pixels(c.pixels, HALF, HALF, "lanczos"),
        vision.spec,
        (Merge(scale), Mlp(decoder.width, decoder.width, depth=1, bias=False)),
        Splice(c.get("image_token_id", 128257)),
        MARKS,
    )
    keys = (
        *under("model.vision_model.", "vision.", vision.keys),
        *under("model.text_model.", "language.", text.keys),
        *head_keys("lm_head.weight", decoder.tied),
        Name("model.connector.modality_projection.proj.weight", "connect.steps.1.layers.0.weight"),
    )
    return Reading(Causal(decoder, sight), keys)


LAYOUTS = (
    Layout("idefics3", read),
    Layout("smolvlm", read),
    Layout("idefics3_vision", read_vision),
    Layout("smolvlm_vision", read_vision),
)

CHAT = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


LLAMA_8B = Decoder(
    llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 128259, Rope(500000.0, Llama3Scaling(8.0, 1.0, 4.0, 8192)), 131072
)
SMOLLM2_135M = Decoder(llama_like(576, 9, 3, 1536, eps=1e-5), 30, 49280, Rope(100000.0), 8192, tied=False)


def sight(tile: int, longest: int, encoder: ViT, scale: int, width: int, image: int) -> Sight:
    steps = (Merge(scale), Mlp(width, width, depth=1, bias=False))
    return Sight(TileGrid(longest, tile), Pixels(HALF, HALF, resample="lanczos"), encoder, steps, Splice(image), MARKS)


SO400M = ViT(sigmoid_tower(1152, 16, 4304), 27, 14, Buckets(26), post_norm="applied")
BASE = ViT(sigmoid_tower(768, 12, 3072), 12, 16, Buckets(32), post_norm="applied")

FAMILIES = (
    Family(
        name="idefics3",
        title="Idefics3",
        paper="2408.12637",
        year=2024,
        layout="idefics3",
        model=Causal(LLAMA_8B, sight(364, 4 * 364, SO400M, 2, 4096, 128257)),
        sizes={"8b-llama3": {}},
        reference="Idefics3ForConditionalGeneration",
        chat=CHAT,
    ),
    Family(
        name="smolvlm",
        title="SmolVLM",
        paper="2504.05299",
        year=2025,
        layout="idefics3",
        model=Causal(SMOLLM2_135M, sight(512, 4 * 512, BASE, 4, 576, 49190)),
        sizes={
            "256m": {},
            "500m": {
                "decoder": Decoder(llama_like(960, 15, 5, 2560, eps=1e-5), 32, 49280, Rope(100000.0), 8192),
                "sight": sight(512, 4 * 512, BASE, 4, 960, 49190),
            },
        },
        reference="Idefics3ForConditionalGeneration",
        chat=CHAT,
    ),
)  # fmt: skip
