"""The tensors of Phi-4-multimodal's hearing half (arXiv:2503.01743), which is carried where a model is asked to see."""

import math

from chiasm.layout import Config
from chiasm.towers.codes import Tensors, conv, linear, norm


def conformer(c: Config, width: int) -> Tensors:
    """A conformer of `width` numbers of text, from its config: two projections of two layers each after it."""
    here, hidden, heads = c.get("hidden_size", 1024), c.get("intermediate_size", 1536), c.get("num_attention_heads", 16)
    channels = c.get("ext_pw_out_channel", 1024)
    c.inert(
        "activation", "chunk_size", "left_chunk", "dropout_rate", "conv_activation", "conv_glu_type", "nemo_activation",
        "audio_token_id", "feature_layer", "nemo_final_size",
    )  # fmt: skip
    inside, out = here * c.get("depthwise_multiplier", 1), c.get("depthwise_separable_out_channel", 1024)
    kernel, distances = c.get("kernel_size", 3), c.get("bias_max_distance", 1000)
    buckets = distances if c.get("bias_symmetric", False) else 2 * distances
    found = [*_stem(c, here), ("encoder.relative_attention_bias_layer.bias_values.weight", (buckets, heads))]
    for number in range(c.get("num_blocks", 24)):
        block = f"encoder.encoders.{number}"
        for part in ("feed_forward_in", "feed_forward_out"):
            found += norm(f"{block}.{part}.layer_norm", here)
            found += linear(f"{block}.{part}.gate_up_proj", here, 2 * hidden)
            found += linear(f"{block}.{part}.down_proj", hidden, here)
        for part in "qkvo":
            found += linear(f"{block}.self_attn.{part}_proj", here, here)
        found += norm(f"{block}.conv.layer_norm", here)
        found += conv(f"{block}.conv.glu.ext_pw_conv_1d", here, 2 * channels, 1)
        found += [(f"{block}.conv.glu.b{half}", (1, channels, 1)) for half in (1, 2)]
        found += conv(f"{block}.conv.dw_sep_conv_1d.dw_conv", 1, inside, kernel)
        found += conv(f"{block}.conv.dw_sep_conv_1d.pw_conv", inside, out, 1)
        found += conv(f"{block}.conv.ext_pw_conv_1d", here, channels, 1)
        found += [*norm(f"{block}.layer_norm_att", here), *norm(f"{block}.layer_norm", here)]
    for kind in ("speech", "vision_speech"):
        found += linear(f"up_proj_for_{kind}", here * c.get("downsample_rate", 1), width)
        found += linear(f"down_proj_for_{kind}", width, width)
    return found


def measured(c: Config) -> Tensors:
    """Means and deviations of what is heard."""
    bands = c.get("input_size", 80)
    return [(f"encoder.encoder_embedding.{name}", (bands,)) for name in ("global_mean", "global_invstd")]


def _stem(c: Config, width: int) -> Tensors:
    """Convolutions of stride two, the first one dense and each later one over channels apart and then across them."""
    channels, bands = c.get("nemo_conv_channels", 1024), c.get("input_size", 80)
    halvings = int(math.log2(c.get("time_reduction", 8)))
    found = conv("encoder.embed.conv.0", 1, channels)
    for number in range(1, halvings):
        place = 3 * number - 1
        found += conv(f"encoder.embed.conv.{place}", 1, channels)
        found += conv(f"encoder.embed.conv.{place + 1}", channels, channels, 1, 1)
    for _ in range(halvings):
        bands = (bands + 1) // 2
    return [*found, *linear("encoder.embed.out", channels * bands, width)]
