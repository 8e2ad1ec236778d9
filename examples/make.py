"""Draws the pictures of this folder, in the face that Pillow brings: python examples/make.py [FOLDER]."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIGN = "1984"
RECEIPT = (("Bread", "2.40"), ("Milk", "1.15"), ("Tea", "3.20"), ("Total", "6.75"))
BARS = (("A", 62, "green"), ("B", 98, "green"), ("C", 150, "green"), ("D", 40, "green"))
TRAINS = (
    ("Bergen", "8:12", "3"), ("Drammen", "8:40", "11"), ("Hamar", "9:05", "7"), ("Lillehammer", "9:31", "4"),
    ("Oslo", "9:47", "2"), ("Skien", "10:02", "5"), ("Stavanger", "10:26", "9"), ("Trondheim", "10:55", "1"),
    ("Alta", "11:15", "8"), ("Narvik", "11:38", "6"), ("Voss", "12:04", "10"), ("Moss", "12:30", "12"),
    ("Arendal", "12:51", "3"), ("Halden", "13:08", "7"), ("Kongsberg", "13:33", "2"), ("Larvik", "13:47", "5"),
)  # fmt: skip
EXIF_ORIENTATION, TURN_RIGHT = 0x0112, 6


def face(px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own scalable face, so that the pictures are the same on every machine."""
    font = ImageFont.load_default(px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def sign() -> Image.Image:
    """A printed sign: white on a blue plate, on a grey wall."""
    picture = Image.new("RGB", (224, 224), (196, 194, 188))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((14, 70, 210, 154), 10, fill=(20, 60, 140), outline="white", width=3)
    draw.text((112, 112), SIGN, "white", face(46), anchor="mm")
    return picture


def shapes() -> Image.Image:
    """Three red circles, a blue square and a green triangle."""
    picture = Image.new("RGB", (224, 224), "white")
    draw = ImageDraw.Draw(picture)
    for x, y in ((18, 22), (84, 158), (20, 106)):
        draw.ellipse((x, y, x + 52, y + 52), fill=(220, 30, 30))
    draw.rectangle((140, 24, 196, 80), fill=(30, 60, 210))
    draw.polygon(((180, 130), (152, 186), (208, 186)), fill=(20, 150, 50))
    return picture


def bars() -> Image.Image:
    """Four bars, C the tallest."""
    picture = Image.new("RGB", (224, 224), "white")
    draw, base = ImageDraw.Draw(picture), 192
    draw.line((16, 20, 16, base), "black")
    draw.line((16, base, 214, base), "black")
    for number, (label, height, colour) in enumerate(BARS):
        left = 30 + 48 * number
        draw.rectangle((left, base - height, left + 30, base - 1), fill=colour)
        draw.text((left + 15, base + 16), label, "black", face(18), anchor="mm")
    return picture


def receipt() -> Image.Image:
    """Three goods and their total."""
    picture = Image.new("RGB", (224, 224), (120, 110, 100))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((24, 24, 200, 200), fill=(250, 250, 246))
    for number, (left, right) in enumerate(RECEIPT):
        y = 56 + 38 * number
        draw.text((38, y), left, "black", face(22), anchor="lm")
        draw.text((186, y), right, "black", face(22), anchor="rm")
    draw.line((38, 150, 186, 150), "black")
    return picture


def number(digits: str) -> Image.Image:
    """One number in the middle of a transparent ground."""
    picture = Image.new("RGBA", (224, 224), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((112, 112), digits, (0, 0, 0, 255), face(52), anchor="mm")
    return picture


def timetable() -> Image.Image:
    """Sixteen rows of small print: what a person reads at once and 224 pixels a side cannot hold."""
    picture = Image.new("RGB", (900, 640), "white")
    draw = ImageDraw.Draw(picture)
    for x, heading in ((60, "Destination"), (420, "Departure"), (700, "Platform")):
        draw.text((x, 40), heading, "black", face(22), anchor="lm")
    for row, cells in enumerate(TRAINS):
        y = 80 + 34 * row
        draw.line((40, y - 17, 860, y - 17), (200, 200, 200))
        for x, cell in zip((60, 420, 700), cells, strict=True):
            draw.text((x, y), cell, "black", face(18), anchor="lm")
    return picture


def main(folder: Path) -> None:
    """Writes every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    sign().save(folder / "sign.jpg", quality=92)
    shapes().save(folder / "shapes.png")
    bars().save(folder / "bars.png")
    receipt().save(folder / "receipt.png")
    number("58").save(folder / "transparent.png")
    timetable().save(folder / "timetable.png")
    upright = Image.new("RGB", (224, 224), (240, 232, 200))
    upright.paste(number("731"), mask=number("731"))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURN_RIGHT
    upright.rotate(90).save(folder / "rotated_exif.jpg", quality=92, exif=exif)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
