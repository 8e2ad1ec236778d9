"""`chiasm ask`: pictures and a question in, an answer out."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from chiasm.cli.clips import FPS, FRAMES, parted, wanted
from chiasm.cli.fewer import BUDGET, COMPRESS
from chiasm.cli.near import suggesting
from chiasm.cli.piped import read
from chiasm.cli.show import as_json
from chiasm.errors import BadPicture, BadPrompt

if TYPE_CHECKING:
    from chiasm.assistant import Answer
    from chiasm.pixels.clips import Clip

SHOWN = "Pictures and clips, if any (a folder of frames, an animation, a video); the last word is the question; - is piped in."

app = App(
    name="ask",
    help="Ask a question about pictures and clips, or about none.",
    usage="Usage: chiasm ask [OPTIONS] [PICTURE...] QUESTION",
    help_epilogue="""Example:
  chiasm ask sign.jpg "What does the sign say?"
  chiasm ask dance.gif "What happens?" --model LanguageBind/Video-LLaVA-7B-hf --frames 8
  chiasm ask before.png after.png "What changed?" --json
  curl -s https://example.org/sign.jpg | chiasm ask - "What does the sign say?"
  chiasm ask page.png "What is the total?" --compress merge-alike:4
  chiasm ask diagram.png "What is shown?" --budget content
  chiasm ask a.png b.png "Is picture 2 brighter than picture 1?" --number""",
)


@app.default
def run(
    *words: Annotated[
        str,
        Parameter(
            name="WORDS",
            help=SHOWN,
        ),
    ],
    model: Annotated[str | None, Parameter(help="A folder, or owner/name on a hub; Chiasm's own if none.")] = None,
    frames: Annotated[int | None, Parameter(help=FRAMES)] = None,
    fps: Annotated[float | None, Parameter(help=FPS)] = None,
    max_tokens: Annotated[
        int | None, Parameter(help="At most so many tokens of answer; else as the model's folder says.")
    ] = None,
    compress: Annotated[str | None, Parameter(help=COMPRESS)] = None,
    budget: Annotated[str | None, Parameter(help=BUDGET)] = None,
    number: Annotated[bool, Parameter(help='Number the pictures in the text ("Image 1:"), as the model knows it.')] = False,
    stream: Annotated[bool, Parameter(help="Write the answer as it comes.")] = False,
    json: Annotated[bool, Parameter(help="One JSON object; with --stream one a line.")] = False,
) -> int:
    """Asks; text alone where no picture is given."""
    pictures, question = split(words)
    if max_tokens is not None and max_tokens < 1:
        raise BadPrompt(f"--max-tokens is {max_tokens}; an answer needs at least 1.")
    shown, question = read(pictures, parted(pictures, wanted(frames, fps)), question)
    look(shown)
    from chiasm.loading import load

    with suggesting(model):
        assistant = load(model, compress=compress, budget=budget)
    seen = [one if isinstance(one, str | bytes) or assistant.sees_clips else still(one) for one in shown]
    if not stream:
        answer = assistant.ask(question, *seen, max_tokens=max_tokens, number=number)
        as_json(described(answer)) if json else print(answer.text)
        return 0
    pieces = assistant.stream(question, *seen, max_tokens=max_tokens, number=number)
    for delta in pieces:
        as_json({"delta": delta}) if json else print(delta, end="", flush=True)
    as_json(described(pieces.answer)) if json else print()
    return 0


def split(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Pictures and question. Raises `BadPrompt` where the question is missing or empty."""
    if not words:
        raise BadPrompt('There is no question: chiasm ask sign.jpg "What does the sign say?"')
    *pictures, question = words
    if not question.strip():
        raise BadPrompt("The question is empty: write what you want to know about the picture.")
    if os.path.isfile(question):  # noqa: PTH113 - pathlib's own raises for words longer than a file's name may be.
        raise BadPrompt(f'{question} is a file, and the last word is the question: chiasm ask {question} "What is this?"')
    return tuple(pictures), question


def look(shown: tuple[str | bytes | Clip, ...]) -> None:
    """Refuses unreadable pictures and clips by their headers, before a model is loaded."""
    from chiasm.pixels.clips import clip_header
    from chiasm.pixels.open import header

    for one in shown:
        header(one) if isinstance(one, str | bytes) else clip_header(one)


def still(clip: Clip) -> str | Clip:
    """What a model of pictures is shown of a clip: an animation's first frame; of others nothing, which it says itself."""
    from chiasm.pixels.open import header

    try:
        header(str(clip.source))
    except BadPicture:
        return clip
    return str(clip.source)


def described(answer: Answer) -> dict[str, Any]:
    """An answer as plain values."""
    return {
        "text": answer.text,
        "model": answer.model,
        "usage": asdict(answer.usage),
        "finish_reason": answer.finish_reason,
        "seconds": dict(answer.seconds),
    }
