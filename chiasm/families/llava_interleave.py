"""LLaVA-Interleave (arXiv:2407.07895): SigLIP's last state, two linear layers, a Qwen1.5; many pictures in one row."""

from chiasm.layout import Layout
from chiasm.readers import HALF
from chiasm.spec import (
    Block,
    Causal,
    Decoder,
    Family,
    Mlp,
    Norm,
    Pixels,
    Resize,
    Rope,
    Sight,
    Splice,
    Table,
    ViT,
)

LAYOUTS: tuple[Layout, ...] = ()

CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}{% endfor %}"
    "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ '\n' + content['text'] }}{% endgeneration %}{% endfor %}{% endif %}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def qwen2(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, vocab: int, tied: bool = False) -> Decoder:
    block = Block(
        width, heads, mlp_width, kv_heads, width // heads, Norm("rms", 1e-6), "silu", "gated", out_bias=False, mlp_bias=False
    )
    return Decoder(block, depth, vocab, Rope(1000000.0), 32768, tied)


EYE = ViT(Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 26, 14, Table(27), post_norm="idle")


def interleave(text: Decoder) -> Causal:
    look = Pixels(HALF, HALF)
    return Causal(text, Sight(Resize(384, 384, "squash"), look, EYE, (Mlp(text.width, text.width),), Splice(151646)))


SMALL, LARGE = interleave(qwen2(1024, 24, 16, 16, 2816, 152000, True)), interleave(qwen2(4096, 32, 32, 32, 11008, 152000))

FAMILIES = (
    Family(
        name="llava-interleave",
        title="LLaVA-Interleave",
        paper="2407.07895",
        year=2024,
        layout="llava",
        model=SMALL,
        sizes={"0.5b": {}, "7b": {"decoder": LARGE.decoder, "sight": LARGE.sight}},
        reference="LlavaForConditionalGeneration",
        chat=CHAT,
    ),
)
