"""`chiasm locate`: a picture and phrases in, boxes out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.near import suggesting
from chiasm.cli.show import as_json, columns
from chiasm.errors import BadPrompt

app = App(
    name="locate",
    help="Find phrases in a picture, with a model that makes boxes.",
    usage="Usage: chiasm locate [OPTIONS] PICTURE PHRASE...",
    help_epilogue="""Example:
  chiasm locate street.jpg "a red car" "a bicycle" --model grounding-dino-tiny/
  chiasm locate street.jpg "a red car. a bicycle." --model grounding-dino-tiny/ --json""",
)


@app.default
def run(
    picture: Annotated[str, Parameter(help="The picture's path.")],
    *phrases: Annotated[str, Parameter(name="PHRASE", help="What to look for; one text may hold several, with full stops.")],
    model: Annotated[str | None, Parameter(help="A folder, or owner/name on a hub.")] = None,
    likely: Annotated[float, Parameter(help="Show what is likelier than this.")] = 0.3,
    named: Annotated[float, Parameter(help="Name it by the tokens that are likelier than this.")] = 0.25,
    json: Annotated[bool, Parameter(help="One JSON list.")] = False,
) -> int:
    """One line for each sighting, the likeliest first; boxes are x0, y0, x1, y1 in the upright picture's pixels."""
    if not phrases:
        raise BadPrompt('There is no phrase to look for: chiasm locate street.jpg "a red car"')
    from chiasm.loading import load
    from chiasm.pixels.open import header

    header(picture)
    with suggesting(model):
        assistant = load(model)
    found = assistant.locate(picture, phrases, likely=likely, named=named)
    if json:
        as_json([asdict(sighting) for sighting in found])
    elif found:
        boxes = (", ".join(f"{edge:.1f}" for edge in (one.box.x0, one.box.y0, one.box.x1, one.box.y1)) for one in found)
        lines = [[f"{one.likelihood:.3f}", box, one.phrase] for one, box in zip(found, boxes, strict=True)]
        print(columns([["likely", "box", "phrase"], *lines]))
    else:
        print(f"Nothing is likelier than {likely:g}.")
    return 0
