"""What DeepSeek's seeing models share, as data."""

from chiasm.layout import Fused, Ignored, Name, Reshaped, Rule, rows
from chiasm.spec import Block, Decoder, Norm, Rope, Table, ViT
from chiasm.towers.decoders import llama_like

SIGLIP_L = ViT(Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu"), 24, 16, Table(24), post_norm="applied")


def deepseek(width: int, depth: int, heads: int, mlp_width: int) -> Decoder:
    """DeepSeek LLM under a model that sees: Llama's block, 16,384 positions."""
    return Decoder(llama_like(width, heads, heads, mlp_width), depth, 102400, Rope(10000.0), 16384)


CHAT = (
    "{{ 'You are a helpful language and vision assistant. You are able to understand the visual content that the user '"
    " + 'provides, and assist the user with a variety of tasks using natural language.\\n\\n' }}"
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' }}{% else %}{{ 'Assistant: ' }}{% endif %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<image_placeholder>' }}"
    "{% elif message['role'] == 'assistant' %}{% generation %}{{ content['text'] }}{% endgeneration %}"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""The published conversations of DeepSeek-VL."""


def timm_keys(width: int) -> tuple[Rule, ...]:
    """A SigLIP tower as timm names it, in the original folders."""
    return (
        Name("patch_embed.proj.*", "stem.*"),
        Reshaped("pos_embed", "position.weight", rows(width)),
        Fused("blocks.*.attn.qkv.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
        Name("blocks.*.attn.proj.*", "blocks.*.attention.out.*"),
        Name("blocks.*.norm1.*", "blocks.*.norm1.*"),
        Name("blocks.*.norm2.*", "blocks.*.norm2.*"),
        Name("blocks.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
        Name("blocks.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
        Name("norm.*", "post_norm.*"),
        Ignored("attn_pool.**"),
    )
