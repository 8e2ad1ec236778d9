"""Names of low-rank adapters in files that hold them around a language model of the Llama kind, in PEFT's spelling."""

from chiasm.layout import Name, Respelt, Rule

ATTENTION = (("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("o_proj", "out"))
MLP = (("gate_proj", "gate"), ("up_proj", "up"), ("down_proj", "down"))


def adapted(part: str) -> tuple[Rule, ...]:
    """Of the language model that a file calls `part`: wrapped or plain, its layers' own weights and what is added to them."""
    attention = ((f"self_attn.{theirs}", f"attention.{ours}") for theirs, ours in ATTENTION)
    layers = [*attention, *((f"mlp.{theirs}", f"mlp.{ours}") for theirs, ours in MLP)]
    pairs = [(f"{part}.model.layers.*.{theirs}", f"language.blocks.*.{ours}") for theirs, ours in layers]
    return (
        Respelt(f"{part}.base_model.model.", f"{part}."),
        *(rule for theirs, ours in (*pairs, (f"{part}.lm_head", "head")) for rule in around(theirs, ours)),
    )


def around(theirs: str, ours: str) -> tuple[Rule, ...]:
    return (
        Name(f"{theirs}.base_layer.weight", f"{ours}.weight"),
        Name(f"{theirs}.lora_A.default.weight", f"adapters.{ours}.a"),
        Name(f"{theirs}.lora_B.default.weight", f"adapters.{ours}.b"),
    )
