"""Donut (arXiv:2111.15664): a document read without any reading machine, by a Swin whose features an MBart decoder asks."""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import ACTS, Config, Ignored, Layout, Name, Reading, under
from chiasm.readers import HALF, head_keys, pixels
from chiasm.spec import Alone, Block, EncoderDecoder, Family, Learned, Mlp, Norm, Pixels, Seq2Seq, Sheet, Sight, Swin
from chiasm.towers.swin import swin

ATTENTION = (("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("out_proj", "out"))

MBART = (
    Name("embed_tokens.weight", "embed.weight"),
    Name("embed_positions.weight", "decoder.position.weight"),
    Name("layernorm_embedding.*", "decoder.embed_norm.*"),
    Name("layer_norm.*", "decoder.norm.*"),
    Name("layers.*.self_attn_layer_norm.*", "decoder.blocks.*.norm1.*"),
    *(Name(f"layers.*.self_attn.{a}.*", f"decoder.blocks.*.attention.{b}.*") for a, b in ATTENTION),
    Name("layers.*.encoder_attn_layer_norm.*", "decoder.blocks.*.norm_cross.*"),
    *(Name(f"layers.*.encoder_attn.{a}.*", f"decoder.blocks.*.cross.{b}.*") for a, b in ATTENTION),
    Name("layers.*.final_layer_norm.*", "decoder.blocks.*.norm2.*"),
    Name("layers.*.fc1.*", "decoder.blocks.*.mlp.up.*"),
    Name("layers.*.fc2.*", "decoder.blocks.*.mlp.down.*"),
)
"""A decoder of MBart (arXiv:2001.08210)."""


START = 0
"""Where neither a config nor a template says how a target begins."""


def mbart(c: Config) -> Reading:
    """The decoder alone, which asks another model's encoder; head and embedding are one but where the config unties them."""
    c.only("is_encoder_decoder", False)
    c.inert(
        "encoder_attention_heads", "encoder_ffn_dim", "encoder_layers", "encoder_layerdrop", "decoder_layerdrop", "init_std"
    )
    c.inert("activation_dropout", "classifier_dropout", "add_final_layer_norm", "num_hidden_layers", "hidden_size")
    width, heads, act = c.get("d_model", 1024), c.get("decoder_attention_heads", 16), c.get("activation_function", "gelu")
    if act not in ACTS:
        raise BadConfig(f"{c.path}: activation_function = {act!r} is not supported; one of {', '.join(ACTS)} is")
    block = Block(width, heads, c.get("decoder_ffn_dim", 4096), heads, width // heads, Norm("layer", 1e-5), ACTS[act])
    place = Learned(c.get("max_position_embeddings", 1024), before=2)
    spec = EncoderDecoder(
        block, 0, c.get("decoder_layers", 12), c.get("vocab_size", 50265), place,
        c.first("decoder_start_token_id", "bos_token_id", default=START),
        c.get("tie_word_embeddings", True), embed_scale="root_width" if c.get("scale_embedding", False) else "plain",
        embed_norm=Norm("layer", 1e-5),
    )  # fmt: skip
    return Reading(spec, MBART)


PARTS = (("encoder", "donut-swin"), ("decoder", "mbart"))


def read(c: Config) -> Reading:
    """An encoder of pictures and a decoder, each by its own class; that head and embedding are one is the decoder's to say."""
    c.inert("tie_word_embeddings")
    said = [c.data.get(part, {}).get("model_type", own) for part, own in PARTS]
    if said != [own for _, own in PARTS]:
        raise BadConfig(f"{c.path}: {' before '.join(said)} is not supported; donut-swin before mbart is")
    eye, asks = (c.part(*part) for part in PARTS)
    language = replace(asks.spec, start=c.first("decoder_start_token_id", default=asks.spec.start))
    views, look = sheet(c.pixels), pixels(c.pixels, HALF, HALF, "bilinear")
    fits(c, eye.spec, views)
    led = () if eye.spec.width == language.width else (Mlp(language.width, language.width, depth=1),)
    rules = (
        *under("encoder.", "vision.", eye.keys),
        *under("decoder.model.decoder.", "language.", asks.keys),
        *head_keys("decoder.lm_head.weight", language.tied),
        Name("enc_to_dec_proj.*", "connect.steps.0.layers.0.*"),
        Ignored("encoder.pooler.**"),
    )
    return Reading(Seq2Seq(language, Sight(views, look, eye.spec, led, Alone())), rules)


def sheet(c: Config) -> Sheet:
    """Height and width in an object, or width and height in a list, as the first files have them."""
    for switch in ("do_thumbnail", "do_pad"):
        c.only(switch, True)
    c.inert("random_padding")
    size = c.get("size", {"height": 2560, "width": 1920})
    if isinstance(size, list):
        width, height = size
    elif isinstance(size, dict) and {"height", "width"} <= size.keys():
        height, width = size["height"], size["width"]
    else:
        raise BadConfig(f"{c.path}: size = {size} is not supported; height and width are")
    return Sheet(height, width, "to_fit" if c.get("do_align_long_axis", False) else "never")


def fits(c: Config, eye: Swin, views: Sheet) -> None:
    """Refuses windows that are larger than a map, as the reference does when it runs."""
    cells = min(views.height, views.width) // (eye.patch * eye.merged)
    if cells < eye.window:
        raise BadConfig(f"{c.path}: windows of {eye.window} cells do not fit into maps whose last is {cells} cells wide")


LAYOUTS = (Layout("vision-encoder-decoder", read), Layout("donut-swin", swin), Layout("mbart", mbart))

ASKED = (
    "{% set tasks = ['<s_docvqa>', '<s_cord-v2>', '<s_rvlcdip>', '<s_zhtrainticket>', '<s_synthdog>', '<s_iitcdip>'] %}"
    "{% set task = (tasks | select('in', added_tokens) | list + ['']) | first %}"
    "{% set words = messages[0]['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') %}"
    "{% if task == '<s_docvqa>' %}{{ task + '<s_question>' + words + '</s_question><s_answer>' }}"
    "{% elif words %}{{ raise_exception('this model reads a document whole and takes no question: send the picture alone') }}"
    "{% else %}{{ task }}{% endif %}"
    "{% if messages | length > 1 %}{% generation %}{{ messages[1]['content'][0]['text'] }}{% endgeneration %}{% endif %}"
)
"""A task is the first word of what is written; which one a folder was taught stands among the words of its vocabulary."""


def eye() -> Swin:
    return Swin(Block(128, 4, 512, 4, 32, Norm("layer", 1e-5)), (2, 2, 14, 2), (4, 8, 16, 32), 10)


def writer(vocab: int, positions: int) -> EncoderDecoder:
    return EncoderDecoder(
        Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-5)), 0, 4, vocab, Learned(positions, before=2), START,
        embed_scale="root_width", embed_norm=Norm("layer", 1e-5),
    )  # fmt: skip


def task(vocab: int, positions: int, height: int, width: int) -> dict[str, Any]:
    return {"language": writer(vocab, positions), "sight.views": Sheet(height, width)}


FAMILIES = (
    Family(
        name="donut",
        title="Donut",
        paper="2111.15664",
        year=2021,
        layout="vision-encoder-decoder",
        model=Seq2Seq(
            writer(57525, 1536), Sight(Sheet(2560, 1920), Pixels(HALF, HALF, resample="bilinear"), eye(), (), Alone())
        ),
        sizes={"base": {}, "docvqa": task(57532, 128, 2560, 1920), "cord-v2": task(57580, 768, 1280, 960)},
        reference="VisionEncoderDecoderModel",
        chat=ASKED,
    ),
)  # fmt: skip
