"""Flamingo (arXiv:2204.14198) in OpenFlamingo's form (arXiv:2308.01390): a perceiver and gated blocks on known parts."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Form, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, VIT_KEYS, head_keys
from chiasm.spec import (
    Average,
    Block,
    Causal,
    Cross,
    Decoder,
    Family,
    Norm,
    Nothing,
    Pixels,
    Resampler,
    Resize,
    Rope,
    Sight,
)
from chiasm.towers.crossed import perceiver, wrapped
from chiasm.towers.decoders import llama_like
from chiasm.towers.llava import clip_large

GATED_KEYS: tuple[Rule, ...] = (
    Name("attn.norm.*", "norm1.*"),
    Name("attn.to_q.weight", "cross.q.weight"),
    Fused("attn.to_kv.weight", ("cross.k.weight", "cross.v.weight"), (1, 1)),
    Name("attn.to_out.weight", "cross.out.weight"),
    Name("attn_gate", "gate1.weight"),
    Name("ff.0.*", "norm2.*"),
    Name("ff.1.weight", "mlp.up.weight"),
    Name("ff.3.weight", "mlp.down.weight"),
    Name("ff_gate", "gate2.weight"),
)

READER_KEYS: tuple[Rule, ...] = (
    Name("latents", "queries"),
    Name("layers.*.0.norm_media.*", "blocks.*.context_norm.*"),
    Name("layers.*.0.norm_latents.*", "blocks.*.norm1.*"),
    Name("layers.*.0.to_q.weight", "blocks.*.q.weight"),
    Fused("layers.*.0.to_kv.weight", ("blocks.*.k.weight", "blocks.*.v.weight"), (1, 1)),
    Name("layers.*.0.to_out.weight", "blocks.*.out.weight"),
    Name("layers.*.1.0.*", "blocks.*.norm2.*"),
    Name("layers.*.1.1.weight", "blocks.*.mlp.up.weight"),
    Name("layers.*.1.3.weight", "blocks.*.mlp.down.weight"),
    Name("norm.*", "norm.*"),
)


def read_reader(c: Config, width: int) -> Resampler:
    block = perceiver(width, c.get("heads", 8), c.get("dim_head", 64), width * c.get("ff_mult", 4), "gelu")
    c.only("max_num_frames", None)
    return Resampler(block, c.get("depth", 6), c.get("num_latents", 64), c.get("max_num_media", None) or 0)


def read(c: Config) -> Reading:
    vision, text = c.part("vision_config", "clip_vision_model"), c.part("text_config", "llama")
    decoder: Decoder = text.spec
    eye = replace(vision.spec, cls="drop")
    reader = read_reader(c.nest("perceiver"), eye.width)
    gates, every = c.nest("cross_attention"), c.get("cross_attn_every_n_layers", 1)
    block = perceiver(
        decoder.width, gates.get("heads", 8), gates.get("dim_head", 64), decoder.width * gates.get("ff_mult", 4), "gelu"
    )
    latest = gates.get("only_attend_immediate_media", True)
    fusion = Cross(
        c.get("media_token_id"), block, tuple(range(every - 1, decoder.depth, every)), "latest" if latest else "all",
        Nothing() if latest else Average(),
    )  # fmt: skip
    c.only("decoder_layers_attr_name", f"{text.body}layers")
    c.inert("eoc_token_id")
    side = vision.spec.position.side * eye.patch
    sight = Sight(Resize(side, side, "crop", centre="even"), Pixels(CLIP_MEAN, CLIP_STD), eye, (reader,), fusion)
    return Reading(Causal(decoder, sight), keys(text, eye.width, decoder, fusion))


def keys(text: Reading, width: int, decoder: Decoder, fusion: Cross) -> tuple[Rule, ...]:
    """The gated block of a layer is kept with it; official files hold it a second time, in lists of its own."""
    body = f"lang_encoder.{text.body}"
    order = Form((-1, width), (0, 1), (-1, width), (-1, 1, width))
    gated = ((f"{body}layers.{layer}.gated_cross_attn_layer.", f"gated.blocks.{n}.") for n, layer in enumerate(fusion.before))
    return (
        *under("vision_encoder.m.vision_model.", "vision.", VIT_KEYS),
        *under("perceiver.", "connect.steps.0.", READER_KEYS),
        Reshaped("perceiver.media_time_embs", "connect.steps.0.ordinals", order),
        *(rule for theirs, ours in gated for rule in under(theirs, ours, GATED_KEYS)),
        *under(body, "language.", wrapped(text.keys, "decoder_layer.")),
        *head_keys(f"lang_encoder.{text.head}", decoder.tied),
        Ignored("lang_encoder.old_decoder_blocks.**"),
        Ignored("lang_encoder.gated_cross_attn_layers.**"),
    )


LAYOUTS = (Layout("openflamingo", read, signs=("cross_attn_every_n_layers", "perceiver")),)

LLAMA_7B = Decoder(llama_like(4096, 32, 32, 11008, eps=1e-6), 32, 32003, Rope(10000.0), 2048)
REDPAJAMA_3B = Decoder(
    Block(2560, 32, 10240, 32, 80, Norm("layer", 1e-5), "gelu"), 32, 50280, Rope(10000.0), 2048
)  # fmt: skip

CHAT = (
    "{{ bos_token }}{% for message in messages %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<image>' }}{% else %}"
    "{% if message['role'] == 'user' %}{{ 'Question:' + content['text'] + ' Short answer:' }}"
    "{% else %}{% generation %}{{ content['text'] + '<|endofchunk|>' }}{% endgeneration %}{% endif %}"
    "{% endif %}{% endfor %}{% endfor %}"
)


def crossed(decoder: Decoder, every: int, image: int) -> dict[str, Any]:
    """A decoder and its gated blocks, one before every so many of its layers."""
    block = perceiver(decoder.width, 8, 64, 4 * decoder.width, "gelu")
    fusion = Cross(image, block, tuple(range(every - 1, decoder.depth, every)), "latest", Nothing())
    return {"decoder": decoder, "sight.fusion": fusion}


SMALL = crossed(REDPAJAMA_3B, 2, 50278)

FAMILIES = (
    Family(
        name="openflamingo",
        title="OpenFlamingo",
        paper="2308.01390",
        year=2023,
        layout="openflamingo",
        model=Causal(
            SMALL["decoder"],
            Sight(
                Resize(224, 224, "crop", centre="even"), Pixels(CLIP_MEAN, CLIP_STD),
                replace(clip_large(224), taps=(-1,)), (Resampler(perceiver(1024, 8, 64, 4096, "gelu"), 6, 64),),
                SMALL["sight.fusion"],
            ),
        ),
        sizes={"4b": {}, "9b-llama": crossed(LLAMA_7B, 4, 32001)},
        reference="openflamingo-0",
        proof="recorded",
        chat=CHAT,
    ),
)  # fmt: skip
