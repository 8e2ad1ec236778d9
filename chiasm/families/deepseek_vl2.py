"""DeepSeek-VL2 (arXiv:2412.10302): tiles through SigLIP, four patches a token, a decoder of experts."""

from typing import Any

from chiasm.layout import Config, Form, Layout, Name, Reading, Reshaped, under
from chiasm.readers import HALF, head_keys, pixels
from chiasm.spec import (
    Block,
    Candidates,
    Causal,
    Decoder,
    Experts,
    Family,
    Latent,
    Merge,
    Mlp,
    Norm,
    Pixels,
    Rope,
    RowsOfTiles,
    Sight,
    Splice,
    Table,
    ViT,
    Written,
)
from chiasm.towers.deepseek import timm_keys

IMAGE = "<image>"


def read(c: Config) -> Reading:
    seen, projecting = c.nest("vision_config"), c.nest("projector_config")
    tower, text = eye(seen), c.part("language_config", "deepseek_v2")
    c.nested[-1].inert("lm_head", "rm_head")
    c.only("tile_tag", "2D")
    c.only("global_view_pos", "head")
    merge, project = projector(projecting, tower)
    tile = seen.get("image_size", 384)
    grids = tuple((high, wide) for wide, high in c.get("candidate_resolutions", [[tile, tile]]))
    c.pixels.inert("candidate_resolutions", "patch_size", "downsample_ratio", "normalize", "image_token", "size")
    sight = Sight(
        Candidates(tile, grids), pixels(c.pixels, HALF, HALF), tower, (merge, project, RowsOfTiles("whole")),
        placeholder(text.spec.vocab),
    )  # fmt: skip
    joined = merge.side**2
    # The original joins a square's patches channel by channel.
    form = Form((-1, tower.width, joined), (0, 2, 1), (-1, joined * tower.width), (-1, joined * tower.width))
    keys = (
        *under("vision.", "vision.", timm_keys(tower.width)),
        *under("language.model.", "language.", text.keys),
        *head_keys("language.lm_head.weight", text.spec.tied),
        Reshaped("projector.layers.0.weight", "connect.steps.1.layers.0.weight", form),
        *(Name(f"projector.layers.{2 * n}.*", f"connect.steps.1.layers.{n}.*") for n in range(project.depth)),
        Name("image_newline", "connect.steps.2.newline"),
        Name("view_seperator", "connect.steps.2.between"),
    )
    return Reading(Causal(text.spec, sight), keys)


def eye(c: Config) -> ViT:
    width, heads, patch = c.get("width", 1024), c.get("heads", 16), c.get("patch_size", 16)
    c.only("class_token", False)
    c.inert(
        "model_name", "global_pool", "ignore_head", "num_classes", "use_checkpoint", "weight_init", "deterministic",
        "num_recomputing_layers", "cls",
    )  # fmt: skip
    block = Block(width, heads, int(width * c.get("mlp_ratio", 4.0)), heads, width // heads, Norm("layer", 1e-6), "gelu_tanh")
    return ViT(block, c.get("layers", 24), patch, Table(c.get("image_size", 384) // patch), post_norm="applied")


def projector(c: Config, tower: ViT) -> tuple[Merge, Mlp]:
    c.only("projector_type", "downsample_mlp_gelu")
    c.only("token_pooling", False)
    c.only("input_dim", tower.width)
    width = c.get("n_embed", 2048)
    return Merge(c.get("downsample_ratio", 2), "zeros"), Mlp(width, width * c.get("mlp_ratio", 1), c.get("depth", 2))


def placeholder(vocab: int) -> Splice:
    """The tokenizer alone says which id pictures have; without one, the last of the usual ones."""
    return Splice(vocab - 1, named=IMAGE)


LAYOUTS = (Layout("deepseek_vl_v2", read),)

SHAPES = (
    (1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1), (2, 2), (1, 5), (5, 1), (1, 6), (6, 1), (2, 3), (3, 2), (1, 7),
    (7, 1), (1, 8), (8, 1), (2, 4), (4, 2), (1, 9), (9, 1), (3, 3),
)  # fmt: skip
"""Tiles (columns, rows)."""
GRIDS = tuple((384 * down, 384 * across) for across, down in SHAPES)
SO400M = ViT(Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 27, 14, Table(27), post_norm="applied")


def decoder(width: int, depth: int, heads: int, mlp_width: int, latent: Latent | None, experts: Experts, vocab: int) -> Decoder:
    block = Block(
        width, heads, mlp_width, heads, width // heads if latent is None else 192, Norm("rms", 1e-6), "silu", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, latent=latent, experts=experts,
    )  # fmt: skip
    return Decoder(block, depth, vocab, Rope(10000.0), 4096, dense=1)


def whole(text: Decoder) -> dict[str, Any]:
    steps = (Merge(2, "zeros"), Mlp(text.width, text.width), RowsOfTiles("whole"))
    return {
        "decoder": text, "sight": Sight(Candidates(384, GRIDS), Pixels(HALF, HALF), SO400M, steps, placeholder(text.vocab)),
    }  # fmt: skip


NARROW = Latent(512, 64, 128)
TINY = decoder(1280, 12, 10, 6848, None, Experts(64, 6, 896, 1792), 129280)
SMALL = decoder(2048, 27, 16, 10944, NARROW, Experts(64, 6, 1408, 2816), 102400)
BASE = decoder(
    2560, 30, 32, 12288, NARROW, Experts(72, 6, 1536, 3072, 2.0, 1, 1, "sigmoid", "corrected", "shares"), 129280
)  # fmt: skip

CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|User|>: ' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|Assistant|>: ' }}{% endif %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<image>\n' }}"
    "{% elif message['role'] == 'assistant' %}{% generation %}{{ content['text'] }}{% endgeneration %}"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|>:' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="deepseek-vl2",
        title="DeepSeek-VL2",
        paper="2412.10302",
        year=2024,
        layout="deepseek_vl_v2",
        model=Causal(**whole(TINY)),
        sizes={"tiny": {}, "small": whole(SMALL), "base": whole(BASE)},
        reference="deepseek_vl2-0",
        proof="recorded",
        chat=CHAT,
        numbers=Written("This is image_{number}: ", source="the example of several pictures in the original README"),
    ),
)
