"""CLIP's ResNets (arXiv:2103.00020) in OpenCLIP's configs and files, which keep the names of the original ones."""

from chiasm.layout import Config, Ignored, Name, Rule, under
from chiasm.spec import GridPool, ResNet


def conv(theirs: str, number: int, ours: str) -> tuple[Rule, ...]:
    """One convolution and its batch norm."""
    return (Name(f"{theirs}conv{number}.weight", f"{ours}.conv.weight"), *batch_norm(f"{theirs}bn{number}", f"{ours}.norm"))


def batch_norm(theirs: str, ours: str) -> tuple[Rule, ...]:
    names = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    return (*(Name(f"{theirs}.{a}", f"{ours}.{b}") for a, b in names.items()), Ignored(f"{theirs}.num_batches_tracked"))


def stage(number: int) -> tuple[Rule, ...]:
    theirs, ours = f"layer{number + 1}.*.", f"stages.{number}.*."
    return (
        *conv(theirs, 1, f"{ours}narrow"),
        *conv(theirs, 2, f"{ours}mix"),
        *conv(theirs, 3, f"{ours}widen"),
        Name(f"{theirs}downsample.0.weight", f"{ours}shortcut.conv.weight"),
        *batch_norm(f"{theirs}downsample.1", f"{ours}shortcut.norm"),
    )


RESNET = (
    *(rule for number in range(3) for rule in conv("", number + 1, f"stem.{number}")),
    *(rule for number in range(4) for rule in stage(number)),
)

GRID_POOL = (
    Name("attnpool.positional_embedding", "position"),
    Name("attnpool.q_proj.*", "q.*"),
    Name("attnpool.k_proj.*", "k.*"),
    Name("attnpool.v_proj.*", "v.*"),
    Name("attnpool.c_proj.*", "out.*"),
)


def resnet(c: Config, embed: int, side: int) -> tuple[ResNet, GridPool, tuple[Rule, ...]]:
    """The tower that a `vision_cfg` with a list of layers describes, its head, and the names of both."""
    one, two, three, four = c.get("layers")
    spec = ResNet(c.get("width", 64), (one, two, three, four))
    c.inert("patch_size", "mlp_ratio")
    heads = spec.width // c.get("head_width", 64)
    pool = GridPool(embed, heads, side // 32)
    return spec, pool, (*under("", "vision.", RESNET), *under("", "pool.", GRID_POOL))
