"""`chiasm compose`: any encoder, connector and language model as one folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json
from chiasm.errors import UserError
from chiasm.spec import Way

app = App(
    name="compose",
    help="Join a vision encoder, a connector and a language model; each from a family (new weights), a folder or a hub.",
    usage="Usage: chiasm compose ENCODER CONNECTOR LANGUAGE [OPTIONS]",
    help_epilogue="""Example:
  chiasm compose siglip:b16-224 shuffle:2+mlp2 smollm2:135m
  chiasm compose ./clip resampler:64 ./llama --out ./mine
  chiasm compose ./clip temporal-qformer:32 ./llama --frames 8 --out ./mine
  chiasm compose ./clip mlp2 ./llama --taps -2 --out ./mine --llava""",
)


@app.default
def run(
    encoder: Annotated[str, Parameter(help="family[:size], folder or owner/name: its vision encoder.")],
    connector: Annotated[str, Parameter(help="linear, mlp2, shuffle:2+mlp2, resampler:64, temporal-qformer:32, ...")],
    language: Annotated[str, Parameter(help="family[:size], folder or owner/name: its language model.")],
    *,
    fusion: Annotated[Way, Parameter(help="Visual tokens in the sequence, beside it, or with own weights.")] = "splice",
    taps: Annotated[list[int] | None, Parameter(help="Hidden states of the encoder, as -2; repeatable.")] = None,
    frames: Annotated[int | None, Parameter(help="Attention in time too, for clips of up to so many frames.")] = None,
    image_token: Annotated[str, Parameter(help="What stands for a picture in a conversation.")] = "<image>",
    out: Annotated[Path | None, Parameter(help="Write the model there; without it the table alone is shown.")] = None,
    llava: Annotated[bool, Parameter(help="With --out: in LLaVA's published layout.")] = False,
    json: Annotated[bool, Parameter(help="The table as JSON.")] = False,
) -> int:
    """Checks that the parts fit and shows them; writes a folder where one is named."""
    from chiasm.compose import compose

    if llava and out is None:
        raise UserError("--llava is a form of the folder that --out names: name one.")
    if out is not None and out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty: name a new folder.")
    made = compose(
        encoder, connector, language, fusion=fusion, taps=tuple(taps) if taps else None, frames=frames, image_token=image_token
    )
    if json:
        as_json({"parts": [asdict(part) for part in made.parts], "tokens_per_picture": made.tokens})
    else:
        print(made)
    if out is not None:
        (made.export_llava if llava else made.save)(out)
        print(f"written to {out}")
    return 0
