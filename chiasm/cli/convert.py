"""`chiasm convert`: the way out of pickles and GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, counted, scaled

app = App(
    name="convert",
    help="Convert weights to safetensors, tensors only, in a limited process.",
    usage="Usage: chiasm convert [OPTIONS] FILE OUT",
    help_epilogue="""Example:
  chiasm convert pytorch_model.bin model.safetensors
  chiasm convert downloads/old-model models/old-model""",
)


@app.default
def run(
    file: Annotated[Path, Parameter(help="A pickled checkpoint, a folder of them, a GGUF or an .npz file.")],
    out: Annotated[Path, Parameter(help="A new folder, or for one pickle a new .safetensors file.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> int:
    """Says what was written and what was left out."""
    from chiasm.weights.convert import convert

    made = convert(file, out)
    if json:
        as_json({"path": str(made.path), "tensors": made.tensors, "bytes": made.bytes, "dropped": list(made.dropped)})
        return 0
    print(f"{made.path}: {counted(made.tensors, 'tensor')}, {scaled(made.bytes, 'B')}")
    if made.dropped:
        print(f"left out, being no tensors: {', '.join(made.dropped)}")
    return 0
