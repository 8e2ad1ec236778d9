"""What Emu3's folders share, as data: the marks of a picture, its sizes, and the tokenizer's drawing half, whose tensors are
carried."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Name, Reading, Rule
from chiasm.readers import decoder
from chiasm.spec import VQ, Carried, Discrete, EndRows, Native, Pixels, Sight, Sized
from chiasm.towers.codes import Tensors, conv, linear, norm

MARKS = Sized("<|image start|>", "<|image token|>", "<|extra_201|>", "<|image end|>")
TIME = "encoder.time_res_stack.*"
STATISTICS = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}

OVER_TIME: tuple[Rule, ...] = (
    Name("encoder.time_conv.*.conv.conv.*", "halvings.*.conv.*"),
    *(Name(f"{TIME}.norm{n}.{a}", f"residuals.*.norm{n}.{b}") for n in "12" for a, b in STATISTICS.items()),
    *(Name(f"{TIME}.conv{n}.conv.*", f"residuals.*.conv{n}.conv.*") for n in "12"),
    Name("quant_conv.conv.*", "to_code.conv.*"),
    Ignored("**.num_batches_tracked"),
)
"""What mixes frames in the seeing half, and their last convolution."""


def halvings(c: Config) -> int:
    """How often time is halved."""
    factor: int = c.get("temporal_downsample_factor", 4)
    number = factor.bit_length() - 1
    if 2**number != factor:
        raise BadConfig(f"{c.path}: temporal_downsample_factor = {factor} is not supported; a power of two is")
    return number


def attended(spec: VQ) -> set[int]:
    """The channels where attention stands."""
    return {spec.widths[-1], *(spec.widths[number] for number in spec.attends)}


def read_text(c: Config) -> Reading:
    """The decoder, with its class's defaults."""
    sizes = {"vocab_size": 184622, "hidden_size": 4096, "intermediate_size": 14336, "num_key_value_heads": 8}
    c.data = {**sizes, **c.data}
    bias, mlp_bias = c.get("attention_bias", False), c.get("mlp_bias", False)
    return decoder(c, context=9216, eps=1e-5, theta=1000000.0, qkv_bias=bias, out_bias=bias, mlp_bias=mlp_bias)


def native(c: Config, patch: int) -> Native:
    factor, size = c.get("spatial_factor", 8), c.get("size", {})
    if factor % patch:
        raise BadConfig(f"{c.path}: spatial_factor = {factor} is not supported; a multiple of the tokenizer's {patch} is")
    least, most = size.get("min_pixels", 512 * 512), size.get("max_pixels", 1024 * 1024)
    return Native(factor, c.get("min_pixels", least), c.get("max_pixels", most))


def seeing(views: Native, look: Pixels, eye: VQ, fusion: Discrete) -> Sight:
    return Sight(views, look, eye, (EndRows(),), fusion, MARKS, drawing(eye))


def bent(name: str, codes: int, width: int) -> Tensors:
    """A norm that the codes' own vectors scale and move."""
    moves = [*conv(f"{name}.conv_y", codes, width, 1, 1), *conv(f"{name}.conv_b", codes, width, 1, 1)]
    return [*norm(f"{name}.norm_layer", width), *moves]


def bent_residual(name: str, codes: int, into: int, out: int) -> Tensors:
    shortcut = conv(f"{name}.nin_shortcut", into, out, 1, 1) if into != out else []
    norms = [*bent(f"{name}.norm1", codes, into), *bent(f"{name}.norm2", codes, out)]
    return [*norms, *conv(f"{name}.conv1", into, out), *conv(f"{name}.conv2", out, out), *shortcut]


def attention(name: str, width: int) -> Tensors:
    return [tensor for part in ("q_proj", "k_proj", "v_proj", "out_proj") for tensor in linear(f"{name}.{part}", width, width)]


def over_time(eye: VQ) -> tuple[Tensors, Tensors]:
    """Learned and measured tensors of what mixes frames."""
    found: Tensors = []
    measured: Tensors = []
    latent = eye.latent
    for number in range(eye.blocks):
        name = f"decoder.time_res_stack.{number}"
        for part in "12":
            found += [*norm(f"{name}.norm{part}", latent), *conv(f"{name}.conv{part}.conv", latent, latent, 3, 3, 3)]
            measured += [(f"{name}.norm{part}.running_{what}", (latent,)) for what in ("mean", "var")]
    for number in range(eye.halvings or 0):
        found += conv(f"decoder.time_conv.{number}.conv.conv", latent, latent, 3, 3, 3)
    return found, measured


def drawing(eye: VQ) -> Carried:
    """The tokenizer's other half: time before space, coarse before fine."""
    last, codes = eye.widths[-1], eye.code_width
    found, measured = over_time(eye)
    found = [*conv("post_quant_conv.conv", codes, eye.latent, 3, 1, 1), *found, *conv("decoder.conv_in", eye.latent, last)]
    middle = "decoder.middle_block"
    found += [*bent_residual(f"{middle}.block_1", codes, last, last), *attention(f"{middle}.attn_1", last)]
    found += [*bent(f"{middle}.attn_norm", codes, last), *bent_residual(f"{middle}.block_2", codes, last, last)]
    into = last
    for number in reversed(range(len(eye.widths))):
        name, out = f"decoder.up_block.up.{number}", eye.widths[number]
        for block in range(eye.blocks + 1):
            found += bent_residual(f"{name}.block.{block}", codes, into if block == 0 else out, out)
            if number in eye.attends:
                found += [*attention(f"{name}.attn.{block}", out), *bent(f"{name}.attn_norms.{block}", codes, out)]
        found += conv(f"{name}.upsample.conv", out, out) if number else []
        into = out
    found += [*bent("decoder.norm_out", codes, into), *conv("decoder.conv_out", into, 3)]
    return Carried(tuple(found), tuple(measured))
