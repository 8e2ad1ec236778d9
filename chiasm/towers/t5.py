"""T5's names of tensors and its feed-forward layers, which its descendants keep."""

from chiasm.errors import BadConfig
from chiasm.layout import ACTS, Config, Ignored, Name, Rule
from chiasm.spec import Activation


def stack(side: str, parts: tuple[tuple[str, str, str], ...]) -> tuple[Rule, ...]:
    """Keys of one side; `parts` are (number in a layer, our module, our norm)."""
    rules: list[Rule] = [
        Name(f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", f"{side}.relative.weight"),
        Name(f"{side}.final_layer_norm.weight", f"{side}.norm.weight"),
        Ignored(f"{side}.embed_tokens.weight"),
        Ignored(f"{side}.block.*.layer.1.EncDecAttention.relative_attention_bias.weight"),
    ]
    for number, ours, norm in parts:
        base = f"{side}.block.*.layer.{number}."
        rules.append(Name(f"{base}layer_norm.weight", f"{side}.blocks.*.{norm}.weight"))
        if ours == "mlp":
            names = (("wi", "up"), ("wi_0", "gate"), ("wi_1", "up"), ("wo", "down"))
            rules += (Name(f"{base}DenseReluDense.{a}.weight", f"{side}.blocks.*.mlp.{b}.weight") for a, b in names)
        else:
            kind = "SelfAttention" if ours == "attention" else "EncDecAttention"
            names = (("q", "q"), ("k", "k"), ("v", "v"), ("o", "out"))
            rules += (Name(f"{base}{kind}.{a}.weight", f"{side}.blocks.*.{ours}.{b}.weight") for a, b in names)
    return tuple(rules)


def keys(gated: bool) -> tuple[Rule, ...]:
    """What a gated MLP calls `wi_1` is the `wi` of a plain one."""
    absent = "wi" if gated else "wi_1"
    sides = (
        Name("shared.weight", "embed.weight"),
        *stack("encoder", (("0", "attention", "norm1"), ("1", "mlp", "norm2"))),
        *stack("decoder", (("0", "attention", "norm1"), ("1", "cross", "norm_cross"), ("2", "mlp", "norm2"))),
    )
    return tuple(rule for rule in sides if not (isinstance(rule, Name) and rule.theirs.endswith(f".{absent}.weight")))


def feed_forward(c: Config) -> tuple[str, Activation]:
    """BLIP-2 and its like say in `dense_act_fn` that the activation is the exact one, which the other field does not mean."""
    said = c.get("feed_forward_proj", "relu")
    kind, _, name = said.rpartition("-")
    name = c.first("dense_act_fn", default="gelu_new" if said == "gated-gelu" else name)
    if kind not in ("", "gated") or name not in ACTS:
        raise BadConfig(f"{c.path}: feed_forward_proj = {said!r} is not supported; 'relu' and 'gated-gelu' are")
    return kind, ACTS[name]
