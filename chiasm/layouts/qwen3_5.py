"""Folders of Qwen3.5's decoder, or with it as a part: fields of the config, names of the tensors."""

from collections.abc import Sequence
from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Fused, Layout, Name, Reading, Rule
from chiasm.readers import DECODER_KEYS, decoder
from chiasm.spec import Attends, Delta, Mixer

GATED = Attends("sigmoid")
EVERY = 4
"""Of so many layers the last one attends, where a config does not say it."""


def read(c: Config) -> Reading:
    """The class's own defaults are the sizes of the 9B."""
    defaults = {
        "vocab_size": 248320, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 32,
        "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 256, "partial_rotary_factor": 0.25,
    }  # fmt: skip
    c.data = defaults | {name: value for name, value in c.data.items() if value is not None}
    c.only("attn_output_gate", True)
    # A predictor of further tokens, which nothing here reads.
    c.inert("mtp_num_hidden_layers", "mtp_use_dedicated_embeddings", "mamba_ssm_dtype", "mlp_only_layers")
    bias = c.get("attention_bias", False)
    # Frequencies follow three axes in turn, and those are equal where text is read.
    turned = {name: value for name, value in (c.data.get("rope_parameters") or {}).items() if name != "mrope_section"}
    c.data = {**c.data, "rope_parameters": turned}
    reading = decoder(c, context=32768, eps=1e-6, qkv_bias=bias, out_bias=bias)
    norm = replace(reading.spec.block.norm, weight="from_one")
    block = replace(reading.spec.block, norm=norm, qk_norm=norm, mixer=GATED)
    spec = replace(reading.spec, block=block, turns=_turns(c, reading.spec.depth))
    return Reading(spec, keys(block.heads))


def _turns(c: Config, depth: int) -> tuple[Mixer, ...]:
    heads, shared = c.get("linear_num_value_heads", 32), c.get("linear_num_key_heads", 16)
    if heads % shared:
        told = f"linear_num_value_heads = {heads} is no multiple of linear_num_key_heads = {shared}"
        raise BadConfig(f"{c.path}: {told}, which was expected")
    widths = c.get("linear_key_head_dim", 128), c.get("linear_value_head_dim", 128)
    delta = Delta(heads, shared, *widths, c.get("linear_conv_kernel_dim", 4))
    every = c.get("full_attention_interval", EVERY)
    usual = ["linear_attention" if (layer + 1) % every else "full_attention" for layer in range(depth)]
    kinds = c.first("layer_types", default=usual)
    mixers: dict[str, Mixer] = {"linear_attention": delta, "full_attention": GATED}
    if len(kinds) != depth or not set(kinds) <= mixers.keys():
        known = f"one of {', '.join(mixers)} for each of {depth} layers"
        raise BadConfig(f"{c.path}: layer_types = {kinds!r} is not supported; {known} is")
    return tuple(mixers[kind] for kind in _period(kinds))


def _period(kinds: Sequence[str]) -> Sequence[str]:
    """The shortest beginning that all of them repeat."""
    fits = (size for size in range(1, len(kinds)) if all(kinds[at] == kinds[at % size] for at in range(len(kinds))))
    return kinds[: next(fits, len(kinds))]


def keys(heads: int) -> tuple[Rule, ...]:
    """A head's query and its gate are one matrix, head after head."""
    q, mixer = "layers.*.self_attn.q_proj.*", "blocks.*.attention"
    return (
        *(rule for rule in DECODER_KEYS if not (isinstance(rule, Name) and rule.theirs == q)),
        Fused(q, (f"{mixer}.q.*", f"{mixer}.gate.*"), (1, 1), groups=heads),
        *(Name(f"layers.*.self_attn.{part}_norm.*", f"{mixer}.{part}_norm.*") for part in "qk"),
        Name("layers.*.linear_attn.in_proj_qkv.weight", f"{mixer}.enter.weight"),
        Name("layers.*.linear_attn.in_proj_z.weight", f"{mixer}.let.weight"),
        Name("layers.*.linear_attn.in_proj_b.weight", f"{mixer}.write.weight"),
        Name("layers.*.linear_attn.in_proj_a.weight", f"{mixer}.forget.weight"),
        Name("layers.*.linear_attn.conv1d.weight", f"{mixer}.conv.weight"),
        Name("layers.*.linear_attn.dt_bias", f"{mixer}.pace"),
        Name("layers.*.linear_attn.A_log", f"{mixer}.log_rate"),
        Name("layers.*.linear_attn.norm.weight", f"{mixer}.norm.weight"),
        Name("layers.*.linear_attn.out_proj.*", f"{mixer}.leave.*"),
    )


LAYOUTS = (Layout("qwen3_5_text", read),)
