"""Merlin (arXiv:2406.06512): CT scans by a ResNet-152 whose filters were given a third axis, one head for texts and one for
findings. What it compares them with is a Longformer over reports: where a folder's config describes it (`text_config`), texts
have vectors too. Proved are scans by a recording of the original code and the Longformer by transformers' class; that the
original joins them as here (lower case, the first 512 tokens, the first token's state) was read and never run."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Ignored, Layout, Name, Reading, Reshaped, Rule, under
from chiasm.spec import EncodeVolume, Family, ResNet3d, Window
from chiasm.towers.residual import conv, stage

WINDOW = Window(224, 224, 160, -1000.0, 1000.0, (1.5, 1.5, 3.0))


def read(c: Config) -> Reading:
    c.only("bn_eps", 1e-5)
    blocks, widths = c.get("blocks", (3, 8, 36, 3)), c.get("planes", (64, 128, 256, 512))
    if len(blocks) != 4 or len(widths) != 4:
        raise BadConfig(f"{c.path}: blocks = {blocks} with planes = {widths} is not supported; four of each are")
    encoder = ResNet3d(c.get("stem", 64), tuple(blocks), tuple(widths), c.get("expansion", 4))
    text = c.part("text_config", "longformer") if "text_config" in c.data else None
    reads = None if text is None else text.spec
    spec = EncodeVolume(WINDOW, encoder, c.get("contrastive_dim", 512), c.get("class_nb", 1692), reads)
    inside = (
        *under("", "vision.", (*conv("", 1, "stem"), *(rule for number in range(4) for rule in stage(number)))),
        *_head("contrastive_head", "project", spec.project, encoder.width),
        *_head("classifier", "classify", spec.classes, encoder.width),
    )
    rules = under("encode_image.i3_resnet.", "", inside)
    if text is None:
        return Reading(spec, (*rules, Ignored("encode_text.**"), Ignored("logit_scale")))
    beside = (Name("encode_text.linear_layer.*", "project_text.*"), Name("logit_scale", "scale"))
    return Reading(spec, (*rules, *under("encode_text.text_encoder.", "text.", text.keys), *beside))


def _head(theirs: str, ours: str, out: int, into: int) -> tuple[Rule, ...]:
    """A convolution over one cell."""
    form = Form((out, into), (0, 1), (out, into), (out, into, 1, 1, 1))
    return (Reshaped(f"{theirs}.weight", f"{ours}.weight", form), Name(f"{theirs}.bias", f"{ours}.bias"))


LAYOUTS = (Layout("merlin", read, signs=("class_nb", "contrastive_dim")),)

FAMILIES = (
    Family(
        name="merlin",
        title="Merlin",
        paper="2406.06512",
        year=2024,
        layout="merlin",
        model=EncodeVolume(WINDOW, ResNet3d(64, (3, 8, 36, 3), (64, 128, 256, 512)), 512, 1692),
        sizes={"ct": {}},
        reference="merlin-0, and to LongformerModel; how the two meet in the original was read, not run",
        proof="recorded",
    ),
)
