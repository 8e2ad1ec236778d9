"""Folders of Gemma 2, or with it as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading
from chiasm.readers import DECODER_KEYS
from chiasm.spec import Scores
from chiasm.towers.decoders import gemma_like

AROUND = (
    Name("layers.*.post_attention_layernorm.*", "blocks.*.norm1_after.*"),
    Name("layers.*.pre_feedforward_layernorm.*", "blocks.*.norm2.*"),
    Name("layers.*.post_feedforward_layernorm.*", "blocks.*.norm2_after.*"),
)


def read(c: Config) -> Reading:
    sizes = {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4,
    }  # fmt: skip
    spec = gemma_like(c, sizes).spec
    c.inert("cache_implementation")
    kinds = c.get("layer_types", None)
    wanted = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(spec.depth)]
    if kinds is not None and kinds != wanted:
        raise BadConfig(f"{c.path}: layer_types = {kinds} is not supported; sliding and full in turns is")
    scores = Scores(c.get("query_pre_attn_scalar", 256) ** -0.5, c.get("attn_logit_softcapping", 50.0))
    spec = replace(
        spec, block=replace(spec.block, norms="both", scores=scores), window=c.get("sliding_window", 4096), full_every=2,
        logit_cap=c.get("final_logit_softcapping", 30.0),
    )  # fmt: skip
    keys = tuple(rule for rule in DECODER_KEYS if not (isinstance(rule, Name) and rule.theirs == AROUND[0].theirs))
    return Reading(spec, (*keys, *AROUND))


LAYOUTS = (Layout("gemma2", read),)
