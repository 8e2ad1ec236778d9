"""A model that was put together: its parts as a table, its modules, its folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.compose.parts import Eye, Language, Origin
from chiasm.connect.steps import Connector
from chiasm.geometry import Size
from chiasm.language.decoder import CausalDecoder
from chiasm.language.gated import GatedBlocks
from chiasm.layers.embed import head
from chiasm.layers.visual_expert import ExpertBlock
from chiasm.model import Causal, blank
from chiasm.spec import Cross, Expert
from chiasm.vision import encoder
from chiasm.vision.vit import VisionTransformer
from chiasm.weights.files import TensorFiles
from chiasm.weights.fill import Place, fill, located


@dataclass(frozen=True)
class Part:
    """A line of the table: what a part is, where its numbers come from, how many there are."""

    name: str
    what: str
    origin: str
    parameters: int


@dataclass(frozen=True)
class Composition:
    """A model that was put together and checked, no number of it allocated. `tokens` is what a picture of `size` costs."""

    spec: specs.Causal
    eye: Eye
    language: Language
    parts: tuple[Part, ...]
    size: Size
    tokens: int
    image_token: str
    chat: str

    def __str__(self) -> str:
        """The parts as a table."""
        rows = [("part", "what", "weights", "parameters")]
        rows += [(part.name, part.what, part.origin, f"{part.parameters:,}") for part in self.parts]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"{self.tokens} tokens for a picture of {self.size.width} x {self.size.height}"])

    def build(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu", seed: int = 0) -> Causal:
        """The modules: parts that come from folders with their weights, the others freshly initialised from a seed.

        An expert without weights of its own begins as the language model's (CogVLM, arXiv:2311.03079), a gated block as
        nothing at all: its gates are zero. Attention in time begins with its block's own weights, and is led nowhere by a
        projection of zeros. Raises `BadCheckpoint` where a folder's tensors do not fit.
        """
        model = blank(self.spec)
        assert isinstance(model, Causal)
        loaded = {**self._loaded(self.language.origin, ("language.", "head.")), **self._loaded(self.eye.origin, ("vision.",))}
        wanted = dict(model.named_parameters())
        loaded = {name: place for name, place in loaded.items() if name in wanted}
        torch.manual_seed(seed)
        lacking = {name.partition(".")[0] for name in wanted if name not in loaded}
        made = {name: tensor for name, tensor in self._fresh(lacking) if name in wanted and name not in loaded}
        folder = self._folder()
        fill(model, loaded, folder, dtype, device, made)
        for block in model.language.blocks:
            if isinstance(block, ExpertBlock):
                block.expert.load_state_dict({**block.expert.state_dict(), **_as_text(block)})
        if isinstance(model.vision, VisionTransformer):
            model.vision.begin_in_time()
        return model

    def save(self, folder: Path, model: Causal | None = None) -> Path:
        """Writes one whole folder that `chiasm.load` reads: config, weights, tokenizer, template (see `export`)."""
        from chiasm.compose.export import write

        return write(self, model or self.build(torch.bfloat16), folder)

    def export_llava(self, folder: Path, model: Causal | None = None) -> Path:
        """Writes the folder in LLaVA's published layout; raises `UserError` where the composition is no LLaVA."""
        from chiasm.compose.export import write_llava

        return write_llava(self, model or self.build(torch.bfloat16), folder)

    def _folder(self) -> Path:
        for origin in (self.language.origin, self.eye.origin):
            if origin.described is not None:
                return origin.described.folder
        return Path("composed")

    @staticmethod
    def _loaded(origin: Origin, prefixes: tuple[str, ...]) -> dict[str, Place]:
        if origin.described is None:
            return {}
        found = located(TensorFiles.open(origin.described.folder), origin.described.keys)
        return {name: place for name, place in found.items() if name.startswith(prefixes)}

    def _fresh(self, lacking: set[str]) -> list[tuple[str, Tensor]]:
        """Newly initialised numbers of those parts that lack weights."""
        sight, decoder = self.spec.sight, self.spec.decoder
        assert sight is not None
        connector = Connector(sight.connector, sight.encoder.width)
        modules: dict[str, nn.Module] = {"connect": connector}
        if "vision" in lacking:
            modules["vision"] = encoder(sight.encoder)
        if isinstance(sight.fusion, Cross):
            modules["gated"] = GatedBlocks(sight.fusion, connector.width)
        if "language" in lacking:
            bias = replace(decoder.block, qkv_bias=sight.fusion.qkv_bias) if isinstance(sight.fusion, Expert) else None
            modules["language"] = CausalDecoder(decoder, bias)
        if "head" in lacking:
            modules["head"] = head(decoder)
        return [(f"{at}.{name}", p.detach()) for at, module in modules.items() for name, p in module.named_parameters()]


def _as_text(block: ExpertBlock) -> dict[str, Tensor]:
    """The text's projections and MLP under the expert's names, as far as it has them."""
    own = block.expert.state_dict()
    return {
        name: tensor for name, tensor in block.state_dict().items() if name in own and name.startswith(("attention.", "mlp."))
    }
