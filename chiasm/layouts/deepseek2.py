"""Folders of DeepSeek-V2, or with it as a part: fields of the config, names of the tensors."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading
from chiasm.readers import DECODER_KEYS, rope, yarn_louder
from chiasm.spec import Block, Decoder, Experts, Latent, Norm, Scores

KEYS = (
    Name("layers.*.self_attn.q_a_proj.*", "blocks.*.attention.q_down.*"),
    Name("layers.*.self_attn.q_a_layernorm.*", "blocks.*.attention.q_norm.*"),
    Name("layers.*.self_attn.q_b_proj.*", "blocks.*.attention.q_up.*"),
    Name("layers.*.self_attn.kv_a_proj_with_mqa.*", "blocks.*.attention.kv_down.*"),
    Name("layers.*.self_attn.kv_a_layernorm.*", "blocks.*.attention.kv_norm.*"),
    Name("layers.*.self_attn.kv_b_proj.*", "blocks.*.attention.kv_up.*"),
    Name("layers.*.mlp.gate.weight", "blocks.*.mlp.router.weight"),
    Name("layers.*.mlp.gate.e_score_correction_bias", "blocks.*.mlp.correction"),
    Name("layers.*.mlp.experts.*.gate_proj.*", "blocks.*.mlp.experts.*.gate.*"),
    Name("layers.*.mlp.experts.*.up_proj.*", "blocks.*.mlp.experts.*.up.*"),
    Name("layers.*.mlp.experts.*.down_proj.*", "blocks.*.mlp.experts.*.down.*"),
    Name("layers.*.mlp.shared_experts.gate_proj.*", "blocks.*.mlp.shared.gate.*"),
    Name("layers.*.mlp.shared_experts.up_proj.*", "blocks.*.mlp.shared.up.*"),
    Name("layers.*.mlp.shared_experts.down_proj.*", "blocks.*.mlp.shared.down.*"),
    Ignored("layers.*.self_attn.rotary_emb.*"),
)


def read(c: Config) -> Reading:
    """DeepSeek-V2's class defaults, in every spelling; without MLA (`use_mla` false, small DeepSeek-VL2) heads are Llama's."""
    c.inert("aux_loss_alpha", "seq_aux", "ep_size", "head_dim", "output_router_logits", "qk_head_dim", "num_experts")
    c.only("moe_layer_freq", 1)
    width, heads = c.get("hidden_size", 4096), c.get("num_attention_heads", 32)
    latent = _latent(c) if c.get("use_mla", True) and c.get("kv_lora_rank", 512) is not None else None
    c.inert("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "q_lora_rank")
    bias = c.get("attention_bias", False)
    block = Block(
        width=width, heads=heads, mlp_width=c.get("intermediate_size", 11008),
        kv_heads=heads if latent else c.first("num_key_value_heads", default=heads),
        head_width=c.get("qk_nope_head_dim", 128) + latent.turned if latent else width // heads,
        norm=Norm("rms", c.get("rms_norm_eps", 1e-6)), act=c.act("hidden_act", "silu"), mlp="gated",
        qkv_bias=bias, out_bias=bias, mlp_bias=c.get("mlp_bias", False), latent=latent, experts=_experts(c),
        scores=_scores(c, latent),
    )  # fmt: skip
    c.inert("num_key_value_heads")
    spec = Decoder(
        block, c.get("num_hidden_layers", 32), c.get("vocab_size", 102400), rope(c, 10000.0, 2048),
        c.get("max_position_embeddings", 2048), tied=c.get("tie_word_embeddings", False),
        dense=c.get("first_k_dense_replace", 0),
    )  # fmt: skip
    return Reading(spec, (*KEYS, *DECODER_KEYS))


def _latent(c: Config) -> Latent:
    return Latent(
        c.get("kv_lora_rank", 512), c.get("qk_rope_head_dim", 64), c.get("v_head_dim", 128), c.get("q_lora_rank", 1536)
    )


def _experts(c: Config) -> Experts | None:
    method, score = c.get("topk_method", "greedy"), c.get("scoring_func", "softmax")
    if method not in ("greedy", "group_limited_greedy", "noaux_tc") or score not in ("softmax", "sigmoid"):
        known = "greedy, group_limited_greedy and noaux_tc, softmax and sigmoid are"
        raise BadConfig(f"{c.path}: topk_method = {method!r} with scoring_func = {score!r} is not supported; {known}")
    count, width = c.get("n_routed_experts", 64), c.get("moe_intermediate_size", 1407)
    active, shared = c.get("num_experts_per_tok", None), c.get("n_shared_experts", 2) or 0
    groups, chosen = c.first("n_group", default=1), c.first("topk_group", default=1)
    if method == "greedy":
        groups = chosen = 1
    scale, shares = float(c.get("routed_scaling_factor", 1.0)), c.get("norm_topk_prob", False)
    if count is None:
        return None
    if active is None:
        raise BadConfig(f"{c.path} has n_routed_experts = {count} but no num_experts_per_tok: how many a token takes")
    return Experts(
        count, active, width, width * shared, scale, groups, chosen, score,
        "corrected" if method == "noaux_tc" else "by_score", "shares" if shares else "scores",
    )  # fmt: skip


def _scores(c: Config, latent: Latent | None) -> Scores:
    """YaRN's second factor, which DeepSeek takes on the scores."""
    fields = c.data.get("rope_parameters") or c.data.get("rope_scaling") or {}
    every = fields.get("mscale_all_dim")
    if latent is None or not every or (fields.get("rope_type") or fields.get("type")) == "default":
        return Scores()
    width = c.get("qk_nope_head_dim", 128) + latent.turned
    return Scores(width**-0.5 * yarn_louder(float(fields["factor"]), every) ** 2)


LAYOUTS = (Layout("deepseek_v2", read),)

LOUDER = yarn_louder(40.0, 0.707)


def block(width: int, heads: int, mlp_width: int, latent: Latent, experts: Experts) -> Block:
    return Block(
        width, heads, mlp_width, heads, 192, Norm("rms", 1e-6), "silu", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, latent=latent, experts=experts, scores=Scores(192**-0.5 * LOUDER**2),
    )  # fmt: skip
