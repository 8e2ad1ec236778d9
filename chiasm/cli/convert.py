"""`chiasm convert`: the way out of pickles and GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, counted, scaled

app = App(
    name="convert",
    help="Convert weights to safetensors, tensors only, in a limited process.",
    usage="Usage: chiasm convert [OPTIONS] FILE [LATER...] OUT",
    help_epilogue="""Example:
  chiasm convert pytorch_model.bin model.safetensors
  chiasm convert downloads/old-model models/old-model
  chiasm convert stage1.pth stage2.pth stage3.pth models/whole""",
)


@app.default
def run(
    *paths: Annotated[
        Path,
        Parameter(
            name="PATHS",
            help="A pickled checkpoint, a folder of them, a GGUF or an .npz file; of later stages, pickles that replace what "
            "they hold too; last a new folder, or for pickles a new .safetensors file.",
        ),
    ],
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> int:
    """Says what was written and what was left out."""
    from chiasm.errors import UserError
    from chiasm.weights.convert import convert

    if len(paths) < 2:
        raise UserError("convert takes what is read, then what is written: chiasm convert pytorch_model.bin model.safetensors")
    file, *later, out = paths
    made = convert(file, out, *later)
    if json:
        as_json({"path": str(made.path), "tensors": made.tensors, "bytes": made.bytes, "dropped": list(made.dropped)})
        return 0
    print(f"{made.path}: {counted(made.tensors, 'tensor')}, {scaled(made.bytes, 'B')}")
    if made.dropped:
        print(f"left out, being no tensors: {', '.join(made.dropped)}")
    return 0
