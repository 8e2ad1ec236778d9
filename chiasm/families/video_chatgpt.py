"""Video-ChatGPT (arXiv:2306.05424): CLIP's features of a clip averaged over each frame and over each cell, one linear layer."""

from chiasm.layout import Config, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, VIT_KEYS, head_keys, vit_block
from chiasm.spec import (
    Around,
    Bare,
    Causal,
    Encoder,
    Even,
    Family,
    Frames,
    Mlp,
    Pixels,
    Precomputed,
    Resize,
    Sight,
    Splice,
    Table,
    TwoMeans,
    ViT,
)
from chiasm.towers.decoders import llama
from chiasm.towers.llava import WATCHES, clip_large


def read(c: Config) -> Reading:
    """The original code's own fields. Published files hold everything but the tower, which they name."""
    c.only("use_mm_proj", True)
    c.inert("mm_vision_tower", "mm_vision_select_layer", "tune_mm_mlp_adapter", "vid_start_token", "vid_end_token")
    text = c.flat("llama")
    encoder, tower = eye(c)
    steps = (TwoMeans(c.get("num_temporal_tokens", 100)), Mlp(text.spec.width, text.spec.width, depth=1))
    marks = AROUND if c.get("use_vid_start_end", True) else Bare()
    fusion = Splice(c.get("vid_patch_token"))
    side = c.nested[0].get("image_size", 224) if "vision_config" in c.data else 224
    clips = None if isinstance(encoder, Precomputed) else watched(side, steps[0].steps)
    sight = Sight(Resize(side, side, "crop"), Pixels(CLIP_MEAN, CLIP_STD), encoder, steps, fusion, marks, clips=clips)
    keys = (
        *under("model.", "language.", text.keys),
        *head_keys("lm_head.weight", text.spec.tied),
        Name("model.mm_projector.*", "connect.steps.1.layers.0.*"),
        *tower,
    )
    return Reading(Causal(text.spec, sight), keys)


def watched(side: int, most: int) -> Frames:
    """The original code's frames, from the middles of equal parts, both edges resized at once by torch's nearest; more than
    these have no place among the means."""
    return Frames(Even(most, "middles"), Resize(side, side, "squash"), Pixels(CLIP_MEAN, CLIP_STD, resample="corner"), most)


def eye(c: Config) -> tuple[Encoder, tuple[Rule, ...]]:
    """The tower where the folder holds one, else a place for its features."""
    width = c.get("mm_hidden_size", 1024)
    if "vision_config" not in c.data:
        return Precomputed(width), ()
    inner = c.nest("vision_config")
    patch = inner.get("patch_size", 14)
    tower = ViT(
        vit_block(inner, width=1024, heads=16, mlp_width=4096, act="quick_gelu", eps=1e-5), inner.get("num_hidden_layers", 24),
        patch, Table(inner.get("image_size", 224) // patch), stem_bias=False, cls="drop", pre_norm=True, post_norm="idle",
        taps=(c.get("mm_vision_select_layer", -2),),
    )  # fmt: skip
    return tower, under("model.vision_tower.vision_model.", "vision.", VIT_KEYS)


LAYOUTS = (Layout("VideoChatGPT", read, signs=("vid_patch_token", "num_temporal_tokens")),)

AROUND = Around("<vid_start>", "<vid_end>")

CHAT = (
    "{% if messages[0]['role'] != 'system' %}{{ '" + WATCHES + " ' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ content['text'] + '</s>' }}{% endgeneration %}"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '\n<vid_patch>' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}{{ ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="video-chatgpt",
        title="Video-ChatGPT",
        paper="2306.05424",
        year=2023,
        layout="VideoChatGPT",
        model=Causal(
            llama(4096, 32, 32, 32, 11008, 32006),
            Sight(
                Resize(224, 224, "crop"), Pixels(CLIP_MEAN, CLIP_STD), clip_large(224),
                (TwoMeans(100), Mlp(4096, 4096, depth=1)), Splice(32003), AROUND, clips=watched(224, 100),
            ),
        ),
        sizes={"7b": {}},
        reference="video_chatgpt-0",
        proof="recorded",
        chat=CHAT,
    ),
)  # fmt: skip
