"""The names that files give to a reading of placed keys: Qwen-VL's, and after it MiniCPM-V's."""

from chiasm.layout import Fused, Name, Reshaped, Rule, transposed, under


def reader_keys(theirs: str) -> tuple[Rule, ...]:
    """The resampler's own names, but for what follows its attention."""
    rules = (
        Name("query", "queries"),
        Name("pos_embed", "places"),
        Name("kv_proj.weight", "enter.weight"),
        Name("ln_q.*", "query_norm.*"),
        Name("ln_kv.*", "norm.*"),
        Fused("attn.in_proj_weight", ("q.weight", "k.weight", "v.weight"), (1, 1, 1)),
        Fused("attn.in_proj_bias", ("q.bias", "k.bias", "v.bias"), (1, 1, 1)),
        Name("attn.out_proj.*", "out.*"),
    )
    return under(theirs, "", rules)


def after(theirs: str, width: int) -> tuple[Rule, ...]:
    return Name(f"{theirs}ln_post.*", "out_norm.*"), Reshaped(f"{theirs}proj", "project.weight", transposed(width, width))
