"""What convolutional tokenizers of pictures (VQ-GAN, arXiv:2012.09841) share, as data: names in files, the words that codes
are, and the tensors of their drawing halves, which are carried where a model is asked to see."""

from collections.abc import Iterable, Sequence

from chiasm.errors import BadConfig
from chiasm.layout import Name, Rule
from chiasm.spec import Carried

RESIDUAL = ("norm1", "conv1", "norm2", "conv2")


def residual_keys(theirs: str, ours: str) -> tuple[Rule, ...]:
    return (
        *(Name(f"{theirs}.{part}.*", f"{ours}.{part}.*") for part in RESIDUAL),
        Name(f"{theirs}.nin_shortcut.*", f"{ours}.shortcut.*"),
    )


def pyramid_keys(down: str, middle: str) -> tuple[Rule, ...]:
    """All of an encoder but its attention and its last convolution."""
    return (
        Name("encoder.conv_in.*", "stem.*"),
        *residual_keys(f"encoder.{down}.*.block.*", "levels.*.residuals.*"),
        Name(f"encoder.{down}.*.downsample.conv.*", "levels.*.shrink.conv.*"),
        *residual_keys(f"encoder.{middle}.block_1", "before"),
        *residual_keys(f"encoder.{middle}.block_2", "after"),
        Name("encoder.norm_out.*", "norm.*"),
        Name("encoder.conv_out.*", "leave.*"),
        Name("quantize.embedding.weight", "codebook.weight"),
    )


def attention_keys(theirs: str, ours: str) -> tuple[Rule, ...]:
    parts = {"norm": "norm", "q": "q", "k": "k", "v": "v", "proj_out": "out"}
    return tuple(Name(f"{theirs}.{a}.*", f"{ours}.{b}.*") for a, b in parts.items())


ENCODER_KEYS = (
    *pyramid_keys("down", "mid"),
    *attention_keys("encoder.down.*.attn.*", "levels.*.attentions.*"),
    *attention_keys("encoder.mid.attn_1", "attention"),
    Name("quant_conv.*", "to_code.*"),
)
"""The names of the first code that trained one, which most keep."""


def runs(ids: dict[int, int], codes: int, where: str) -> tuple[tuple[int, int], ...]:
    """The ids of codes 0, 1, ... as runs (first, how many). Raises `BadConfig` unless there is one for every code."""
    if ids.keys() != set(range(codes)):
        said = f"vocabulary_map names {len(ids)} codes of pictures and the tokenizer has {codes}"
        raise BadConfig(f"{where}: {said}; one name for each is expected")
    found: list[tuple[int, int]] = []
    for code in range(codes):
        first, count = found[-1] if found else (ids[0], 0)
        if ids[code] == first + count:
            found[-1:] = [(first, count + 1)]
        else:
            found.append((ids[code], 1))
    return tuple(found)


Tensors = list[tuple[str, tuple[int, ...]]]


def conv(name: str, into: int, out: int, *kernel: int) -> Tensors:
    """A convolution and its bias; 3 x 3 unless the kernel is given."""
    return [(f"{name}.weight", (out, into, *(kernel or (3, 3)))), (f"{name}.bias", (out,))]


def linear(name: str, into: int, out: int) -> Tensors:
    return [(f"{name}.weight", (out, into)), (f"{name}.bias", (out,))]


def norm(name: str, width: int) -> Tensors:
    return [(f"{name}.weight", (width,)), (f"{name}.bias", (width,))]


def residual(name: str, into: int, out: int) -> Tensors:
    shortcut = conv(f"{name}.nin_shortcut", into, out, 1, 1) if into != out else []
    first = [*norm(f"{name}.norm1", into), *conv(f"{name}.conv1", into, out)]
    return [*first, *norm(f"{name}.norm2", out), *conv(f"{name}.conv2", out, out), *shortcut]


def attention(name: str, width: int) -> Tensors:
    parts = (conv(f"{name}.{part}", width, width, 1, 1) for part in ("q", "k", "v", "proj_out"))
    return [*norm(f"{name}.norm", width), *(tensor for part in parts for tensor in part)]


def middle(name: str, width: int) -> Tensors:
    return [
        *residual(f"{name}.block_1", width, width), *attention(f"{name}.attn_1", width),
        *residual(f"{name}.block_2", width, width),
    ]  # fmt: skip


def levels(name: str, into: int, widths: Sequence[int], blocks: int, attends: int, change: str) -> Tensors:
    """Levels of residual blocks, the one numbered `attends` with attention; `change` is how all but the last change size."""
    found: Tensors = []
    for number, out in enumerate(widths):
        for block in range(blocks):
            found += residual(f"{name}.{number}.block.{block}", into, out)
            found += attention(f"{name}.{number}.attn.{block}", out) if number == attends else []
            into = out
        found += conv(f"{name}.{number}.{change}.conv", into, into) if number + 1 < len(widths) else []
    return found


def tokenizer(widths: Sequence[int], blocks: int, latent: int, codes: int, code_width: int) -> Tensors:
    """Both halves of a tokenizer that attends at its coarsest level; `widths` are the stem's channels and the levels'."""
    stem, *each = widths
    last = each[-1]
    return [
        *conv("encoder.conv_in", 3, stem),
        *levels("encoder.down", stem, each, blocks, len(each) - 1, "downsample"),
        *middle("encoder.mid", last), *norm("encoder.norm_out", last), *conv("encoder.conv_out", last, latent),
        ("quantize.embedding.weight", (codes, code_width)),
        *conv("quant_conv", latent, code_width, 1, 1), *conv("post_quant_conv", code_width, latent, 1, 1),
        *conv("decoder.conv_in", latent, last), *middle("decoder.mid", last),
        *levels("decoder.up", last, each[::-1], blocks + 1, 0, "upsample"),
        *norm("decoder.norm_out", each[0]), *conv("decoder.conv_out", each[0], 3),
    ]  # fmt: skip


def carried(*parts: tuple[str, Iterable[tuple[str, tuple[int, ...]]]]) -> Carried:
    """Parts under their own prefixes."""
    return Carried(tuple((f"{prefix}{name}", shape) for prefix, tensors in parts for name, shape in tensors))
