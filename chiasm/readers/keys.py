"""The usual names of parameters in checkpoints: towers of CLIP's kind, decoders of Llama's."""

from __future__ import annotations

from chiasm.layout import Ignored, Name, Rule

VIT_KEYS: tuple[Rule, ...] = (
    Name("embeddings.class_embedding", "cls"),
    Name("embeddings.patch_embedding.*", "stem.*"),
    Name("embeddings.position_embedding.weight", "position.weight"),
    Name("pre_layrnorm.*", "pre_norm.*"),
    Name("encoder.layers.*.layer_norm1.*", "blocks.*.norm1.*"),
    Name("encoder.layers.*.layer_norm2.*", "blocks.*.norm2.*"),
    Name("encoder.layers.*.self_attn.q_proj.*", "blocks.*.attention.q.*"),
    Name("encoder.layers.*.self_attn.k_proj.*", "blocks.*.attention.k.*"),
    Name("encoder.layers.*.self_attn.v_proj.*", "blocks.*.attention.v.*"),
    Name("encoder.layers.*.self_attn.out_proj.*", "blocks.*.attention.out.*"),
    Name("encoder.layers.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("encoder.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
    Name("post_layernorm.*", "post_norm.*"),
    Ignored("embeddings.position_ids"),
)
"""CLIP's and SigLIP's vision towers, as transformers names them."""

TEXT_KEYS: tuple[Rule, ...] = (
    Name("embeddings.token_embedding.weight", "embed.weight"),
    Name("embeddings.position_embedding.weight", "position.weight"),
    *VIT_KEYS[4:12],
    Name("final_layer_norm.*", "norm.*"),
    Ignored("embeddings.position_ids"),
)
"""Their text towers."""

DECODER_KEYS: tuple[Rule, ...] = (
    Name("embed_tokens.weight", "embed.weight"),
    Name("layers.*.input_layernorm.*", "blocks.*.norm1.*"),
    Name("layers.*.post_attention_layernorm.*", "blocks.*.norm2.*"),
    Name("layers.*.self_attn.q_proj.*", "blocks.*.attention.q.*"),
    Name("layers.*.self_attn.k_proj.*", "blocks.*.attention.k.*"),
    Name("layers.*.self_attn.v_proj.*", "blocks.*.attention.v.*"),
    Name("layers.*.self_attn.o_proj.*", "blocks.*.attention.out.*"),
    Name("layers.*.mlp.gate_proj.*", "blocks.*.mlp.gate.*"),
    Name("layers.*.mlp.up_proj.*", "blocks.*.mlp.up.*"),
    Name("layers.*.mlp.down_proj.*", "blocks.*.mlp.down.*"),
    Name("norm.weight", "norm.weight"),
    Ignored("layers.*.self_attn.rotary_emb.inv_freq"),
)
"""Llama's decoder and its many descendants."""


def head_keys(theirs: str, tied: bool) -> tuple[Rule, ...]:
    """The head's own weight, or nothing where it is the embedding (some files carry the copy all the same)."""
    return (Ignored(theirs),) if tied else (Name(theirs, "head.weight"),)
