"""PLLaVA (arXiv:2404.16994): LLaVA over clips, whose projected patches are averaged in time and space by neighbours."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Adapters, Config, Ignored, Layout, Name, Reading
from chiasm.readers import CLIP_MEAN, CLIP_STD, pixels, taken
from chiasm.spec import Causal, Connect, Decoder, Even, Family, Frames, Mlp, Pixels, PoolTime, Resize, Sight, Splice
from chiasm.towers.adapted import adapted
from chiasm.towers.decoders import llama
from chiasm.towers.llava import WATCHES, clip_large

HALFWAY = 640
"""About the longest edge at which the original code first brings pictures and frames, before CLIP's own resize."""

DEMO = (
    "You are Pllava, a large vision-language assistant. \nYou are able to understand the video content that the user provides, "
    "and assist the user with a variety of tasks using natural language.\nFollow the instructions carefully and explain your "
    "answers in detail based on the provided video.\n"
)
"""What the demo sends with the conversation `plain`, where nobody says otherwise."""

CHAT = (
    "{% set first, asks, shown, closes, answers, ends = "
    f"('{WATCHES}', '<|im_start|>user\n', '<image>\n', '<|im_end|>\n', '<|im_start|>assistant\n', '<|im_end|>\n') "
    f"if '<|im_end|>' in added_tokens else ('{DEMO}', 'USER:', '<image> ', ' ', 'ASSISTANT:', '</s>') %}}"
    "{% if messages[0]['role'] != 'system' %}{{ first + closes }}{% endif %}"
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{% for content in message['content'] if content['type'] == 'text' and content['text'] %}{{ content['text'] + closes }}"
    "{% endfor %}{% elif message['role'] == 'assistant' %}{{ answers }}"
    "{% for content in message['content'] if content['type'] == 'text' %}"
    "{% generation %}{{ content['text'] + ends }}{% endgeneration %}{% endfor %}{% else %}"
    "{% for content in message['content'] if content['type'] == 'image' %}{{ asks + shown + closes }}{% endfor %}"
    "{% for content in message['content'] if content['type'] == 'text' %}{{ asks + content['text'] + closes }}{% endfor %}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ answers }}{% endif %}"
)
"""The conversations `plain` and, where the language model was taught ChatML (34B), `eval_vcg_llavanext`: what is shown stands
in a turn of its own."""


def pool(c: Config) -> PoolTime:
    c.only("use_pooling", True)
    c.only("pooling_method", "avg")
    return PoolTime(c.get("num_frames", 16), *c.get("pooling_shape", (16, 12, 12)))


def chosen(frames: int) -> Even:
    """The original code's frames: as many as it was trained with, each half a part after the part's beginning."""
    return Even(frames, "halves")


def read(c: Config) -> Reading:
    c.inert("max_sequence_length", "image_grid_pinpoints")
    lora = c.get("lora", {"rank": None, "alpha": 4})
    plain = c.flat("llava")
    seen = plain.spec.sight
    step, cells = pool(c), tuple(c.get("frame_shape", (24, 24)))
    views = replace(seen.views, halfway=HALFWAY)
    grid = (views.height // seen.encoder.patch, views.width // seen.encoder.patch)
    if cells != grid:
        raise BadConfig(f"{c.path}: frame_shape = {list(cells)} is not supported with frames of {grid[0]} x {grid[1]} patches")
    clips = Frames(taken(c.clips, chosen(step.frames)), views, pixels(c.clips, CLIP_MEAN, CLIP_STD), step.frames)
    sight = replace(seen, views=views, connector=(*seen.connector, step), clips=clips)
    keys = (*plain.keys, *adapted("language_model"), Ignored("image_newline"))
    return Reading(Causal(plain.spec.decoder, sight), keys, adapters=Adapters(**lora), chat=CHAT)


def read_projector(c: Config) -> Reading:
    """A recorded folder of projector and pooling alone."""
    width, hidden = c.get("vision_hidden_size"), c.get("text_hidden_size")
    high, wide = c.get("frame_shape")
    steps = (Mlp(hidden, hidden, depth=2, act=c.act("projector_hidden_act", "gelu")), pool(c))
    keys = tuple(
        Name(f"multi_modal_projector.linear_{number + 1}.*", f"connect.steps.0.layers.{number}.*") for number in range(2)
    )
    return Reading(Connect(width, (high, wide), steps), keys)


LAYOUTS = (
    Layout("pllava", read, signs=("pooling_shape", "text_config")),
    Layout("pllava_projector", read_projector, signs=("pooling_shape", "text_hidden_size")),
)


def pllava(text: Decoder, image: int) -> Causal:
    steps = (Mlp(text.width, text.width), PoolTime(16, 16, 12, 12))
    look = (Resize(336, 336, "crop", halfway=HALFWAY), Pixels(CLIP_MEAN, CLIP_STD))
    return Causal(text, Sight(*look, clip_large(336), steps, Splice(image), clips=Frames(chosen(16), *look, 16)))


VICUNA_13B = pllava(llama(5120, 40, 40, 40, 13824, 32064), 32000)
YI_34B = pllava(llama(7168, 60, 56, 8, 20480, 64064, 5000000.0), 64000)

FAMILIES = (
    Family(
        name="pllava",
        title="PLLaVA",
        paper="2404.16994",
        year=2024,
        layout="pllava",
        model=pllava(llama(4096, 32, 32, 32, 11008, 32064), 32000),
        sizes={
            "7b": {},
            "13b": {"decoder": VICUNA_13B.decoder, "sight": VICUNA_13B.sight},
            "34b": {"decoder": YI_34B.decoder, "sight": YI_34B.sight},
        },
        reference="pllava_pool-0",
        proof="recorded",
        chat=CHAT,
    ),
)
