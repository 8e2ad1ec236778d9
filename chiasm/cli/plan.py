"""`chiasm plan`: what a request costs, from the headers of pictures or from sizes alone."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chiasm.budget import (
    Budget,
    ClipFit,
    DType,
    Fit,
    Memory,
    Rounding,
    Rule,
    RuleCount,
    Tokens,
    Within,
    budget,
    fit_clip,
)
from chiasm.budget import fit as most
from chiasm.cli.clips import FPS, FRAMES, costed, reel, wanted
from chiasm.cli.fewer import BUDGET, COMPRESS
from chiasm.cli.looked import Looking, looked
from chiasm.cli.named import Named, named, unbounded
from chiasm.cli.planned import Shape, fitted, grids, table, to_json
from chiasm.cli.show import as_json, columns
from chiasm.errors import Overflow, UserError
from chiasm.geometry import Size
from chiasm.pixels.reel import Reel
from chiasm.spec import Causal, MultiVector, Take

app = App(
    name="plan",
    help="Say what pictures and text will cost before asking: tokens, work, memory. The numbers are those that `ask` uses.",
    usage="Usage: chiasm plan [OPTIONS] [PICTURE...]",
    help_epilogue="""Example:
  chiasm plan photo.jpg --text "What is this?"
  chiasm plan --size 1344x1344 --model qwen2-vl:7b --fit memory=24
  chiasm plan --clip 30sx640x360@24fps --model qwen2.5-vl:7b --fps 1
  chiasm plan --clip dance.mp4 --model llava-onevision:7b --fit tokens=8192
  chiasm plan page.png diagram.png --model internvl-3:8b --budget content
  chiasm plan photo.jpg --compress merge-alike:4
  chiasm plan --size 2016x2016 --patch 14 --tile 336 --grid 6x6 --merge 2""",
)


@app.default
def run(
    *pictures: Annotated[str, Parameter(name="PICTURE", help="Pictures; their headers alone are read.")],
    size: Annotated[list[str] | None, Parameter(help="WIDTHxHEIGHT instead of a picture; repeatable.")] = None,
    clip: Annotated[list[str] | None, Parameter(help="A clip: its path, 48x640x360@24fps or 30sx640x360@24fps.")] = None,
    frames: Annotated[int | None, Parameter(help=FRAMES)] = None,
    fps: Annotated[float | None, Parameter(help=FPS)] = None,
    model: Annotated[str | None, Parameter(help="family[:size], or as for ask; Chiasm's own if none.")] = None,
    text: Annotated[str | None, Parameter(help="The question, counted by the model's tokenizer.")] = None,
    text_tokens: Annotated[int | None, Parameter(help="Tokens of text, for a bare family.")] = None,
    number: Annotated[bool, Parameter(help="Pictures have numbers beside them in the text, as with ask --number.")] = False,
    max_tokens: Annotated[int, Parameter(help="Room for the answer.")] = 256,
    compress: Annotated[str | None, Parameter(help=COMPRESS)] = None,
    by: Annotated[str | None, Parameter(name="--budget", help=f"{BUDGET} Pictures are read whole then.")] = None,
    fit: Annotated[str | None, Parameter(help="tokens=N or memory=GB: what is the most that fits?")] = None,
    dtype: Annotated[DType, Parameter(help="For --fit memory.")] = "bfloat16",
    patch: Annotated[int | None, Parameter(help="A plain rule, no model: a patch's side.")] = None,
    tile: Annotated[int | None, Parameter(help="Rule: a tile's side.")] = None,
    grid: Annotated[str | None, Parameter(help="Rule: COLUMNSxROWS of tiles, else as many as needed.")] = None,
    merge: Annotated[int, Parameter(help="Rule: so many patches a side make a token.")] = 1,
    thumbnail: Annotated[bool, Parameter(help="Rule: one more tile that shows the whole.")] = False,
    rounding: Annotated[Rounding, Parameter(help="Rule: odd sides.")] = "floor",
    row_breaks: Annotated[bool, Parameter(help="Rule: one more token after each row.")] = False,
    cls: Annotated[bool, Parameter(help="Rule: one more token a view.")] = False,
    queries: Annotated[int | None, Parameter(help="Rule: a fixed number of tokens a view.")] = None,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> int:
    """Counts as a model does, or with --patch by the field's plain arithmetic."""
    for option, tokens in (("--text-tokens", text_tokens), ("--max-tokens", max_tokens)):
        if tokens is not None and tokens < 0:
            raise UserError(f"{option} is {tokens}; a number of tokens is 0 or more.")
    shapes = measured(pictures, size or [], by)
    if patch is not None:
        if fit or model or text or compress or by or clip:
            said = "--patch counts by a plain rule, which knows no model, text, memory, content or clip: leave those out."
            raise UserError(said)
        rule = Rule(patch, tile, rows_columns(grid), merge, thumbnail, rounding, row_breaks, cls, queries)
        return by_rule(rule, shapes, json)
    if tile or grid or queries or thumbnail or row_breaks or cls or merge != 1:
        raise UserError("--tile, --grid, --merge and their like belong to a plain rule: give --patch too.")
    if fit and clip and shapes:
        raise UserError("--fit finds the most of one kind, and pictures stand beside clips: leave one of them out.")
    take, reels = wanted(frames, fps), [reel(one) for one in clip or []]
    meant = named(model, compress, by)
    if isinstance(meant.model, Looking) and not (clip or text or text_tokens or number or fit):
        return looked(meant.name, meant.model, shapes, json)
    chosen = meant.writing
    for one in reels:
        shapes.append(Shape(one.name, Size(one.width, one.height), costed(chosen.name, chosen.spec, one, take)))
    costs = cost(chosen, shapes, text, text_tokens, max_tokens, number)
    found = None if fit is None else within(chosen, shapes, reels, take, parse_fit(fit, dtype), costs)
    if json:
        as_json(to_json(chosen, shapes, costs, found))
    else:
        print(table(chosen, shapes, costs))
        if found is not None:
            print(fitted(found, shapes))
    if costs.over and found is None:
        raise Overflow(too_long(costs))
    return 0


# --- what was asked -------------------------------------------------------------------------------------------------


def measured(pictures: tuple[str, ...], sizes: list[str], by: str | None = None) -> list[Shape]:
    """The upright sizes of pictures by their headers, then of those given as sizes; with a budget, each picture's share too."""
    from chiasm.geometry.limits import is_limit
    from chiasm.pixels.content import policy
    from chiasm.pixels.open import header, open_picture

    if by is None or is_limit(by):
        heads = [header(picture) for picture in pictures]
        shapes = [Shape(known.name, Size(known.width, known.height)) for known in heads]
    else:
        share = policy(by)
        if sizes:
            raise UserError(f"--budget {by} looks at what is in a picture, and --size {sizes[0]} has nothing: give pictures.")
        opened = map(open_picture, pictures)
        shapes = [Shape(one.name, Size(one.width, one.height, share=share(one.pixels))) for one in opened]
    return shapes + [Shape(text, Size(*edges(text, "--size"))) for text in sizes]


def edges(text: str, option: str) -> tuple[int, int]:
    """Two numbers joined by x. Raises `UserError`."""
    first, _, second = text.lower().partition("x")
    if not (first.isdecimal() and second.isdecimal() and int(first) and int(second)):
        raise UserError(f"{option} {text} is not two numbers above 0 joined by x, such as 1344x1344.")
    return int(first), int(second)


def rows_columns(grid: str | None) -> tuple[int, int] | None:
    if grid is None:
        return None
    columns, rows = edges(grid, "--grid")
    return rows, columns


def parse_fit(text: str, dtype: DType) -> Within:
    """tokens=N or memory=GB. Raises `UserError`."""
    kind, _, number = text.partition("=")
    number = number.removesuffix("GB").strip()
    if kind == "tokens" and number.isdecimal():
        return Tokens(int(number))
    if kind == "memory" and number.replace(".", "", 1).isdecimal():
        return Memory(int(float(number) * 1e9), dtype)
    raise UserError(f"--fit {text} is neither tokens=N nor memory=GB, such as tokens=4096 or memory=24.")


def cost(chosen: Named, shapes: list[Shape], text: str | None, text_tokens: int | None, room: int, number: bool) -> Budget:
    """The budget of the question as `ask` would put it."""
    sizes = [shape.item for shape in shapes]
    if isinstance(chosen.spec, Causal) and isinstance(chosen.spec.head, MultiVector):
        # It makes vectors of what it reads, and goes on with nothing.
        room = 0
    if text is not None and text_tokens is not None:
        raise UserError("--text and --text-tokens both say how long the text is: keep one.")
    if chosen.planner is None:
        if number:
            raise UserError(
                f"{chosen.name} has no tokenizer with a chat template to count numbers with: name a model folder with both."
            )
        if text is not None:
            raise UserError(
                f"{chosen.name} has no tokenizer with a chat template to count --text with: give --text-tokens N, or name a "
                "model folder with both."
            )
        return budget(chosen.spec, sizes, text_tokens or 0, room)
    if text_tokens is not None:
        return budget(chosen.spec, sizes, text_tokens, room)
    from chiasm.pixels.clips import Clip
    from chiasm.prompt.messages import Image, Message, Part, Text

    shown = [Image(shape.name if shape.clip is None else Clip(shape.name)) for shape in shapes]
    parts: list[Part] = [*shown, *([Text(text)] if text else [])]
    if not parts:
        return budget(chosen.spec, (), 0, room)
    planner = unbounded(chosen.planner)
    asked = (Message("user", tuple(parts)),)
    plan = planner.plan([planner.numbered(asked) if number else asked], sizes)
    bare = budget(chosen.spec, sizes)
    return budget(chosen.spec, sizes, len(plan.rows[0]) - bare.places - bare.marks, room)


def within(
    chosen: Named, shapes: list[Shape], reels: list[Reel], take: Take | None, limit: Within, costs: Budget
) -> Fit | ClipFit:
    """The most of the first of them, as many together as there are."""
    shape = shapes[0].size if shapes else Size(1024, 1024)
    count = max(1, len(shapes))
    if reels:
        return fit_clip(chosen.spec, reels[0], take, limit, count=count, text=costs.text, generate=costs.generate)
    return most(chosen.spec, shape, limit, count=count, text=costs.text, generate=costs.generate)


def too_long(costs: Budget) -> str:
    assert costs.context is not None
    room = costs.context - costs.generate
    fits = f" (--fit tokens={room} says what is the most that fits)" if room > 0 and costs.pictures else ""
    return (
        f"This needs {costs.positions:,} tokens ({costs.places:,} visual, {costs.marks + costs.text:,} of text and "
        f"marks, {costs.generate:,} to generate), {costs.over:,} more than the context of {costs.context:,}: lower the "
        f"resolution or the number of pictures{fits}, the text or --max-tokens."
    )


def by_rule(rule: Rule, shapes: list[Shape], json: bool) -> int:
    """The plain rule's table."""
    if not shapes and rule.size is not None:
        shapes = [Shape(f"{rule.size.width}x{rule.size.height}", rule.size)]
    if not shapes:
        raise UserError("A rule without tiles counts a picture: give one, or --size 1344x1344.")
    counts: list[tuple[Shape, RuleCount]] = [(shape, rule.count(shape.size)) for shape in shapes]
    total = sum(count.tokens for _, count in counts)
    if json:
        pictures = [
            {
                "name": shape.name,
                "views": [list(view) for view in count.views],
                "patches": count.patches,
                "tokens": count.tokens,
            }
            for shape, count in counts
        ]
        as_json({"rule": vars(rule), "pictures": pictures, "tokens": total})
        return 0
    rows = [("picture", "views, rows x columns of patches", "patches", "tokens")]
    rows += [(shape.name, grids(count.views), f"{count.patches:,}", f"{count.tokens:,}") for shape, count in counts]
    print(columns(rows, right=frozenset({2, 3})))
    print(f"\n{total:,} tokens by the plain rule; a checkpoint may do otherwise: chiasm plan --model ...")
    return 0
