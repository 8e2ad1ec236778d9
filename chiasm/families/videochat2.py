"""VideoChat2 (arXiv:2311.17005): UMT's tower over whole clips, a Q-Former that reads the question, one linear layer.

Two layouts in the original code's names: the recorded one, of the seeing half by itself, and published folders, whose config
names the folder of the language model that is read beside.
"""

from dataclasses import dataclass, replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Adapters, Beside, Config, Form, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, rows, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, head_keys
from chiasm.spec import (
    Block,
    Causal,
    ClipSines,
    ClipTable,
    Decoder,
    Even,
    Family,
    Frames,
    Mlp,
    Norm,
    Normed,
    Pixels,
    QFormer,
    Resize,
    Rope,
    See,
    Sight,
    Splice,
    Step,
    Told,
    ViT,
    Words,
)
from chiasm.towers.adapted import adapted
from chiasm.towers.blip import BERT_WORDS, QFORMER_KEYS
from chiasm.towers.decoders import llama_like

TRAINING = (
    "vit_blip_model_path", "videochat2_model_path", "freeze_vit", "freeze_qformer", "freeze_mhra", "low_resource", "debug",
    "max_txt_len", "qformer_attention_probs_dropout_prob", "qformer_hidden_dropout_prob", "qformer_drop_path_rate",
    "random_shuffle", "use_lora", "lora_dropout", "use_flash_attention", "add_second_msg", "return_question_instruction",
    "gradient_checkpointing",
)  # fmt: skip
"""Fields about training, and where parts of it began."""

TRAINED = (224, 28)
"""Sides of pictures whose sines count the cells of their own grid: the published one, and the one that plays its part in small
folders. ClipSines of other sides are those of 14 x 14 cells, stretched."""


LOOK = Pixels(CLIP_MEAN, CLIP_STD)
SHOWN = 8
"""Frames of a clip that the original's demo shows where nobody says otherwise, however many a config names."""
TOLD = Told("Observe the image and answer the question.", "Watch the video and answer the question.")
"""What its demo gives the queries to read."""
FUSION = Splice(-200, -201, named="<ImageHere>", named_video="<VideoHere>")


def read(c: Config) -> Reading:
    eye, asks = c.nest("vision_encoder"), c.nest("qformer")
    tower, queries = read_eye(eye), read_queries(c, asks, asks.get("query_length", 32))
    eps, width = c.get("vision_layernorm_eps", 1e-12), c.get("llm_hidden")
    side = eye.get("img_size", 224)
    spec = See(Resize(side, side, "squash"), LOOK, tower, (Normed(Norm("layer", eps)), *led(queries, width)))
    return Reading(spec, keys(tower, queries, "llama_proj", 1))


def read_published(c: Config) -> Reading:
    """The original code's own config, under `model`. Files hold what was trained: all that sees, and adapters around the
    language model, which is another folder."""
    c.inert("device", "merged_language_model_path")
    m = c.nest("model")
    edition = EDITIONS.get(m.get("model_cls", "VideoChat2_it"))
    if edition is None:
        raise BadConfig(f"{m.path}: model_cls = {m.get('model_cls')!r} is not supported; one of {', '.join(EDITIONS)} is")
    source, other = m.base(edition.text, f"{edition.part}_model_path")
    text = other.flat(other.get("model_type"))
    if not isinstance(text.spec, Decoder):
        raise BadConfig(f"{other.path} is no causal language model, which {source} has to be: correct the field in {m.path}")
    eye, asks = m.nest("vision_encoder"), m.nest("qformer")
    eye.inert("name", "d_model", "drop_path_rate", "use_checkpoint", "checkpoint_num", "pretrained")
    asks.data = {"vocab_size": BERT_WORDS.vocab, "hidden_size": m.get("qformer_hidden_size", 768), **asks.data}
    m.inert(*TRAINING, "system")
    for field, mark in zip(("start_token", "end_token", "img_start_token", "img_end_token"), MARKS, strict=True):
        m.only(field, mark)
    tower, queries = read_eye(eye), read_queries(m, asks, m.get("num_query_token", 32))
    side, first = eye.get("img_size", 224), (Normed(Norm("layer", 1e-12)),) if eye.get("vit_add_ln", True) else ()
    steps = (*first, *led(queries, text.spec.width))
    clips = watched(side, min(eye.get("num_frames", 8), SHOWN))
    spec = Causal(text.spec, Sight(Resize(side, side, "squash"), LOOK, tower, steps, FUSION, clips=clips))
    beside = (*under(text.body, "language.", text.keys), *head_keys(text.head, text.spec.tied))
    part = f"{edition.part}_model"
    own = (*under(f"{part}.model.", "language.", text.keys), *head_keys(f"{part}.lm_head.weight", text.spec.tied))
    return Reading(
        spec, (*keys(tower, queries, f"{edition.part}_proj", len(first)), *own, *adapted(part)),
        adapters=Adapters(m.get("lora_r", 16), m.get("lora_alpha", 32)), chat=edition.chat, stops=edition.stops,
        beside=Beside(source, beside),
    )  # fmt: skip


def led(queries: QFormer, width: int) -> tuple[Step, ...]:
    return (queries, Mlp(width, width, depth=1))


def watched(side: int, frames: int) -> Frames:
    """The original code's frames, and its crop."""
    return Frames(Even(frames, "halves"), Resize(side, side, "crop", centre="even"), LOOK)


def read_eye(c: Config) -> ViT:
    """Only as many blocks are there as run: `return_index` counts back from the last of the published depth."""
    c.only("qkv_bias", "q and v only")
    width, heads, patch = c.get("encoder_embed_dim", 1024), c.get("encoder_num_heads", 16), c.get("patch_size", 16)
    block = Block(
        width, heads, int(width * c.get("mlp_ratio", 4.0)), heads, width // heads, Norm("layer", c.get("layer_norm_eps", 1e-6)),
        "gelu", k_bias=False,
    )  # fmt: skip
    image, frames, before = c.get("img_size", 224), c.get("num_frames", 8), c.get("ckpt_num_frame", 4)
    tubelet = c.get("tubelet_size", 1)
    side, steps = image // patch, frames // tubelet
    trained = ClipSines(side if image in TRAINED else 14, before if before > 0 else steps)
    return ViT(
        block, c.get("encoder_depth", 24) + c.get("return_index", -2) + 1, patch,
        trained if image in TRAINED else ClipTable(side, steps, trained),
        tubelet, post_norm="applied" if c.get("with_ln", False) else "none", sees="clip",
    )  # fmt: skip


def read_queries(c: Config, asks: Config, queries: int) -> QFormer:
    width, heads = asks.get("hidden_size", 768), asks.get("num_attention_heads", 12)
    asks.inert("encoder_width")
    block = Block(
        width, heads, asks.get("intermediate_size", 3072), heads, width // heads,
        Norm("layer", asks.get("layer_norm_eps", 1e-12)), "gelu", norms="after",
    )  # fmt: skip
    words = Words(asks.get("vocab_size", 30522), asks.get("max_position_embeddings", 512), TOLD)
    return QFormer(
        block, asks.get("num_hidden_layers", 12), queries, asks.get("cross_attention_freq", 2),
        words if c.get("qformer_text_input", True) else None, c.get("extra_num_query_token", 0),
    )  # fmt: skip


def eye_keys(spec: ViT) -> tuple[Rule, ...]:
    width, patch, depth = spec.block.width, spec.patch, spec.frames
    joint = ("attention.q.weight", "attention.k.weight", "attention.v.weight")
    flat = (width, 3, patch, patch) if depth == 1 else (width, 3, depth, patch, patch)
    stem = Form(flat, tuple(range(len(flat))), flat, (width, 3, depth, patch, patch))
    return (
        Reshaped("patch_embed.proj.weight", "stem.weight", stem),
        Name("patch_embed.proj.bias", "stem.bias"),
        Reshaped("pos_embed", "place.clips", rows(width)),
        Reshaped("img_pos_embed", "place.pictures", rows(width)),
        Fused("blocks.*.attn.qkv.weight", tuple(f"blocks.*.{part}" for part in joint), (1, 1, 1)),
        Name("blocks.*.attn.q_bias", "blocks.*.attention.q.bias"),
        Name("blocks.*.attn.v_bias", "blocks.*.attention.v.bias"),
        Name("blocks.*.attn.proj.*", "blocks.*.attention.out.*"),
        Name("blocks.*.norm1.*", "blocks.*.norm1.*"),
        Name("blocks.*.norm2.*", "blocks.*.norm2.*"),
        Name("blocks.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
        Name("blocks.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
        Name("vision_layernorm.*", "post_norm.*"),
        Name("norm.*", "post_norm.*"),
    )


def keys(tower: ViT, queries: QFormer, projection: str, step: int) -> tuple[Rule, ...]:
    """Of all that sees; `step` is the number of the queries' one among the connector's."""
    return (
        *under("vision_encoder.encoder.", "vision.", eye_keys(tower)),
        *((Name("vision_layernorm.*", "connect.steps.0.*"),) if step else ()),
        *under("", f"connect.steps.{step}.", query_keys(queries)),
        Name(f"{projection}.*", f"connect.steps.{step + 1}.layers.0.*"),
    )


def query_keys(spec: QFormer) -> tuple[Rule, ...]:
    """BERT's own names inside the blocks, where BLIP-2's class later said `attention` twice."""
    blocks = (
        Name(rule.theirs.replace("attention.attention.", "attention.self."), rule.ours) for rule in QFORMER_KEYS
    )  # fmt: skip
    words = (
        Name("qformer.bert.embeddings.word_embeddings.weight", "embed.weight"),
        Name("qformer.bert.embeddings.position_embeddings.weight", "position.weight"),
    )
    unread = (
        Ignored("qformer.bert.embeddings.word_embeddings.weight"),
        Ignored("qformer.bert.embeddings.position_embeddings.weight"),
        Ignored("qformer.bert.encoder.layer.*.intermediate.**"),
        Ignored("qformer.bert.encoder.layer.*.output.**"),
    )
    added = Reshaped("extra_query_tokens", "added", rows(spec.block.width))
    return (
        Reshaped("query_tokens", "queries", rows(spec.block.width)),
        added if spec.added else Ignored("extra_query_tokens"),
        Name("qformer.bert.embeddings.LayerNorm.*", "embed_norm.*"),
        Ignored("qformer.bert.embeddings.position_ids"),
        Ignored("qformer.cls.**"),
        *(words if spec.words is not None else unread),
        *under("qformer.bert.", "", tuple(blocks)),
    )


LAYOUTS = (
    Layout("videochat2", read, signs=("vision_encoder", "qformer", "llm_hidden")),
    Layout("videochat2_published", read_published, signs=("model", "device")),
)

UMT_L = ViT(
    Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu", k_bias=False), 23, 16, ClipSines(14, 4), sees="clip"
)  # fmt: skip
QUERIES = QFormer(
    Block(768, 12, 3072, 12, 64, Norm("layer", 1e-12), "gelu", norms="after"), 12, 32,
    words=replace(BERT_WORDS, of=TOLD), added=64,
)  # fmt: skip
VICUNA = Decoder(llama_like(4096, 32, 32, 11008), 32, 32000, Rope(10000.0), 2048)
MISTRAL = Decoder(llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 32000, Rope(1000000.0), 32768)

MARKS = ("<Video>", "</Video>", "<Image>", "</Image>")
TURNS = (
    "{% set led = namespace(by='') %}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{% for content in message['content'] if content['type'] == 'text' %}{{ content['text'] }}{% endfor %}"
    "{% elif message['role'] == 'assistant' %}{{ answers }}{% set led.by = between %}"
    "{% for content in message['content'] if content['type'] == 'text' %}"
    "{% generation %}{{ content['text'] + ends }}{% endgeneration %}{% endfor %}"
    "{% else %}"
    "{% for content in message['content'] if content['type'] == 'video' %}"
    "{{ led.by + asks + '<Video><VideoHere></Video>' + closes }}{% set led.by = between %}{% endfor %}"
    "{% for content in message['content'] if content['type'] == 'image' %}"
    "{{ led.by + asks + '<Image><ImageHere></Image>' + closes }}{% set led.by = between %}{% endfor %}"
    "{% for content in message['content'] if content['type'] == 'text' %}"
    "{{ led.by + asks + content['text'] + closes }}{% set led.by = between %}{% endfor %}"
    "{% endif %}{% endfor %}"
)
"""The original code's conversation: a picture or a clip stands in a turn of its own."""

CHAT = (
    "{% set asks, closes, answers, ends, between = '###Human: ', '\n', '###Assistant: ', '', '' %}"
    + TURNS
    + "{% if add_generation_prompt %}{{ '###Assistant:' }}{% endif %}"
)
CHAT_MISTRAL = "{% set asks, closes, answers, ends, between = '[INST] ', ' [/INST]', ' ', '</s>', ' ' %}" + TURNS


@dataclass(frozen=True)
class Edition:
    """What differs by language model: its name in fields and tensors, the published folder, the template, what ends answers."""

    part: str
    text: str
    chat: str
    stops: tuple[str, ...] = ()


VICUNA_EDITION = Edition("llama", "vicuna-7b-v0", CHAT, ("###",))
EDITIONS = {
    "VideoChat2_it": VICUNA_EDITION,
    "VideoChat2_it_vicuna": VICUNA_EDITION,
    "VideoChat2_it_mistral": Edition("mistral", "mistralai/Mistral-7B-Instruct-v0.2", CHAT_MISTRAL),
}

SIZES: dict[str, dict[str, Any]] = {"7b": {}, "mistral-7b": {"decoder": MISTRAL}}

FAMILIES = (
    Family(
        name="videochat2",
        title="VideoChat2",
        paper="2311.17005",
        year=2023,
        layout="videochat2_published",
        model=Causal(
            VICUNA,
            Sight(
                Resize(224, 224, "squash"), LOOK, UMT_L, (Normed(Norm("layer", 1e-12)), *led(QUERIES, 4096)), FUSION,
                clips=watched(224, SHOWN),
            ),
        ),
        sizes=SIZES,
        reference="videochat2-0",
        proof="recorded",
        chat=CHAT,
    ),
)  # fmt: skip
