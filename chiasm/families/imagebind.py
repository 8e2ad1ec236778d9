"""ImageBind (arXiv:2305.05665): six kinds of input in one space, each bound to pictures. Published as tensors alone; the
config that Chiasm reads has the names of the arguments of the published class."""

from chiasm.layout import Config, Form, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, alone, rows
from chiasm.readers import CLIP_MEAN, CLIP_STD, crop_resize, pixels
from chiasm.spec import (
    Bind,
    Block,
    ClsProject,
    Disparity,
    Family,
    Heat,
    Mel,
    Norm,
    Pixels,
    Reads,
    Resize,
    Signal,
    Strides,
    Table,
    TextTower,
    ViT,
)

HEADS = {"audio": 2, "depth": 2, "thermal": 2, "imu": 3}
"""Where the projection stands in each head's list: motion has a dropout before it."""


def block(width: int, heads: int, extra_key: bool = False) -> Block:
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-6), "gelu", extra_key=extra_key)


def trunk(name: str, ours: str) -> tuple[Rule, ...]:
    theirs = f"modality_trunks.{name}.blocks.*."
    return (
        *(
            Fused(f"{theirs}attn.in_proj_{k}", tuple(f"{ours}blocks.*.attention.{p}.{k}" for p in "qkv"), (1, 1, 1))
            for k in ("weight", "bias")
        ),
        Reshaped(f"{theirs}attn.bias_k", f"{ours}blocks.*.attention.bias_k", alone(2)),
        Reshaped(f"{theirs}attn.bias_v", f"{ours}blocks.*.attention.bias_v", alone(2)),
        Name(f"{theirs}attn.out_proj.*", f"{ours}blocks.*.attention.out.*"),
        Name(f"{theirs}mlp.fc1.*", f"{ours}blocks.*.mlp.up.*"),
        Name(f"{theirs}mlp.fc2.*", f"{ours}blocks.*.mlp.down.*"),
        Name(f"{theirs}norm_1.*", f"{ours}blocks.*.norm1.*"),
        Name(f"{theirs}norm_2.*", f"{ours}blocks.*.norm2.*"),
    )


def vision_keys(width: int) -> tuple[Rule, ...]:
    before, head = "modality_preprocessors.vision.", "modality_heads.vision."
    return (
        Reshaped(f"{before}cls_token", "vision.cls", alone(2)),
        Reshaped(f"{before}pos_embedding_helper.pos_embed", "vision.position.weight", rows(width)),
        Name(f"{before}rgbt_stem.proj.1.weight", "vision.stem.weight"),
        Name("modality_trunks.vision.pre_transformer_layer.0.*", "vision.pre_norm.*"),
        *trunk("vision", "vision."),
        Name(f"{head}0.*", "vision.post_norm.*"),
        Name(f"{head}2.weight", "pool.project.weight"),
    )


def text_keys(width: int) -> tuple[Rule, ...]:
    before, head = "modality_preprocessors.text.", "modality_heads.text.proj."
    return (
        Name(f"{before}token_embedding.weight", "text.embed.weight"),
        Reshaped(f"{before}pos_embed", "text.position.weight", rows(width)),
        Ignored(f"{before}mask"),
        *trunk("text", "text."),
        Name(f"{head}0.*", "text.norm.*"),
        Name(f"{head}1.weight", "text.project.weight"),
        Name("modality_postprocessors.text.1.log_logit_scale", "scales.text"),
    )


def signal_keys(one: Signal) -> tuple[Rule, ...]:
    name, width, ours = one.name, one.block.width, f"signals.{one.name}."
    before, head = f"modality_preprocessors.{name}.", f"modality_heads.{name}."
    stem = f"{before}{'rgbt' if name in ('audio', 'thermal') else name}_stem."
    table = f"{before}pos_embed" if name == "imu" else f"{before}pos_embedding_helper.pos_embed"
    shape = (width, one.channels, *one.kernel)
    flat = Form(shape, (0, 1, 2, 3), shape, (width, -1) if name == "imu" else shape)
    return (
        Reshaped(f"{before}cls_token", f"{ours}cls", alone(2)),
        Reshaped(table, f"{ours}position", rows(width)),
        Reshaped(f"{stem}proj.weight", f"{ours}stem.weight", flat),
        Name(f"{stem}norm_layer.*", f"{ours}stem_norm.*"),
        *trunk(name, ours),
        Name(f"{head}0.*", f"{ours}norm.*"),
        Name(f"{head}{HEADS[name]}.weight", f"{ours}project.weight"),
        Name(f"modality_postprocessors.{name}.1.log_logit_scale", f"scales.{name}"),
    )


def read(c: Config) -> Reading:
    side, out = c.get("image_size", 224), c.get("out_embed_dim", 768)
    frames, patch, _ = c.get("kernel_size", [2, 14, 14])
    c.only("video_frames", frames)
    encoder = ViT(
        block(c.get("vision_embed_dim", 1024), c.get("vision_num_heads", 16)), c.get("vision_num_blocks", 24), patch,
        Table(side // patch, "ratio"), frames=frames, stem_bias=False, cls="keep", pre_norm=True, post_norm="applied",
    )  # fmt: skip
    vocab = c.get("vocab_size", 49408)
    words = TextTower(
        block(c.get("text_embed_dim", 768), c.get("text_num_heads", 12)), c.get("text_num_blocks", 12), vocab,
        c.get("context_length", 77), "causal", "highest", vocab - 1, out, project_bias=False,
    )  # fmt: skip
    signals = (audio(c), depth(c, side), thermal(c, side), motion(c))
    views, look = crop_resize(c.pixels, side), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    rules = (*vision_keys(encoder.width), *text_keys(words.block.width), *(rule for s in signals for rule in signal_keys(s)))
    return Reading(Bind(views, look, encoder, ClsProject(out), words, signals), rules)


def audio(c: Config) -> Signal:
    kernel, stride = c.get("audio_kernel_size", 16), c.get("audio_stride", 10)
    mel = Mel(c.get("audio_num_mel_bins", 128), c.get("audio_target_len", 204))
    high, wide = ((n - kernel) // stride + 1 for n in (mel.bins, mel.frames))
    inner = block(c.get("audio_embed_dim", 768), c.get("audio_num_heads", 12), extra_key=True)
    return Signal("audio", inner, c.get("audio_num_blocks", 12), 1, (kernel, kernel), (stride, stride), high * wide, mel)


def depth(c: Config, side: int) -> Signal:
    return plane(c, "depth", 384, 8, side, Disparity(side))


def thermal(c: Config, side: int) -> Signal:
    return plane(c, "thermal", 768, 12, side, Heat(side))


def plane(c: Config, name: str, width: int, heads: int, side: int, reads: Reads) -> Signal:
    """One number a pixel: how far away, or how warm."""
    kernel = c.get(f"{name}_kernel_size", 16)
    inner = block(c.get(f"{name}_embed_dim", width), c.get(f"{name}_num_heads", heads), extra_key=True)
    square = (kernel, kernel)
    return Signal(name, inner, c.get(f"{name}_num_blocks", 12), 1, square, square, (side // kernel) ** 2, reads)


def motion(c: Config) -> Signal:
    kernel, channels = c.get("imu_kernel_size", 8), c.get("imu_channels", 6)
    inner = block(c.get("imu_embed_dim", 512), c.get("imu_num_heads", 8), extra_key=True)
    span, read = (1, kernel), Strides(c.get("imu_length", 2000))
    return Signal("imu", inner, c.get("imu_num_blocks", 6), channels, span, span, read.length // kernel, read)


LAYOUTS = (Layout("imagebind", read, ("audio_num_mel_bins", "imu_embed_dim", "out_embed_dim")),)

HUGE = Bind(
    Resize(224, 224, "crop"),
    Pixels(CLIP_MEAN, CLIP_STD),
    ViT(
        block(1280, 16), 32, 14, Table(16, "ratio"), frames=2, stem_bias=False, cls="keep", pre_norm=True,
        post_norm="applied",
    ),
    ClsProject(1024),
    TextTower(block(1024, 16), 24, 49408, 77, "causal", "highest", 49407, 1024, project_bias=False),
    (
        Signal("audio", block(768, 12, extra_key=True), 12, 1, (16, 16), (10, 10), 12 * 19, Mel()),
        Signal("depth", block(384, 8, extra_key=True), 12, 1, (16, 16), (16, 16), 14 * 14, Disparity()),
        Signal("thermal", block(768, 12, extra_key=True), 12, 1, (16, 16), (16, 16), 14 * 14, Heat()),
        Signal("imu", block(512, 8, extra_key=True), 6, 6, (1, 8), (1, 8), 250, Strides()),
    ),
)  # fmt: skip

FAMILIES = (
    Family(
        name="imagebind",
        title="ImageBind",
        paper="2305.05665",
        year=2023,
        layout="imagebind",
        model=HUGE,
        sizes={"huge": {}},
        reference="ImageBindModel",
        proof="recorded",
    ),
)
