"""Fetches fonts and emoji with the user's own npm client and packs them for fast drawing under `CHIASM_HOME/data`."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chiasm.errors import Offline, UserError, need
from chiasm.render.sources import FONTS, LABELS_PACKAGE, STYLES, StyleSource, Use

SPRITE = 96
"""Side in pixels of a packed emoji."""

_WEIGHTS = (400, 700)
_UNPICTURED_GROUPS = (None, 2, 9)  # regional letters, skin and hair components, flags
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assets:
    """What pictures are drawn with: font files and emoji by split; empty tuples mean Pillow's own font, no emoji."""

    fonts: tuple[Path, ...]
    styles: tuple[Path, ...]
    concepts: tuple[str, ...]


def data_home() -> Path:
    """The folder that holds fetched material: `$CHIASM_HOME/data`, by default under `~/.cache/chiasm`."""
    return Path(os.environ.get("CHIASM_HOME", Path.home() / ".cache" / "chiasm")) / "data"


@lru_cache(maxsize=8)
def assets(use: Use, home: Path | None = None) -> Assets:
    """The fetched material of one split; without a fetch, what Pillow brings.

    Args:
        use: "train" or "held-out"; no family and no drawing style is in both.
        home: the data folder; None is `data_home()`.
    """
    home = home or data_home()
    manifest = home / "manifest.json"
    if not manifest.is_file():
        return Assets((), (), ())
    known = json.loads(manifest.read_text())
    return Assets(
        tuple(home / "fonts" / name for name in known["fonts"][use]),
        tuple(home / "emoji" / f"{name}.npy" for name in known["styles"][use]),
        tuple(known["concepts"]),
    )


def fetch(home: Path | None = None) -> Path:
    """Fetches every font family and emoji style of `sources.py` (about 60 MB packed) and returns the data folder.

    Raises:
        Offline: `CHIASM_OFFLINE` is set and the material is not there yet.
        UserError: npm is missing or refuses a package.
        MissingExtra: cairosvg, which draws the emoji once, is not installed.
    """
    home = home or data_home()
    if (home / "manifest.json").is_file():
        return home
    if os.environ.get("CHIASM_OFFLINE") == "1":
        raise Offline(f"{home} holds no fonts and emoji yet and CHIASM_OFFLINE=1 forbids fetching them.")
    if shutil.which("npm") is None:
        raise UserError("Fetching fonts and emoji needs the npm client, which is not installed.")
    need("cairosvg", extra="train")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        made = Path(scratch) / "data"
        (made / "fonts").mkdir(parents=True)
        (made / "emoji").mkdir()
        fonts, licences = _fetch_fonts(made / "fonts", Path(scratch))
        concepts, styles = _fetch_emoji(made / "emoji", Path(scratch))
        licences += [{"package": s.package, "licence": s.licence} for s in STYLES]
        (made / "licences.json").write_text(json.dumps(licences, indent=1))
        (made / "manifest.json").write_text(json.dumps({"fonts": fonts, "styles": styles, "concepts": concepts}))
        if home.exists():
            shutil.rmtree(home)
        made.rename(home)
    assets.cache_clear()
    return home


def _pack(packages: list[str], into: Path) -> list[Path]:
    """Runs `npm pack` and returns the archives, one a package, in order."""
    done = subprocess.run(["npm", "pack", "--silent", *packages], cwd=into, capture_output=True, text=True, check=False)
    names = [line.strip() for line in done.stdout.splitlines() if line.strip().endswith(".tgz")]
    if done.returncode != 0 or len(names) != len(packages):
        raise UserError(f"npm could not fetch {', '.join(packages)}: {done.stderr.strip()[-300:]}")
    return [into / name for name in names]


def _member(archive: tarfile.TarFile, name: str) -> bytes | None:
    try:
        stream = archive.extractfile(f"package/{name}")
    except KeyError:
        return None
    return stream.read() if stream else None


def _fetch_fonts(into: Path, scratch: Path) -> tuple[dict[str, list[str]], list[dict[str, str]]]:
    kept: dict[str, list[str]] = {"train": [], "held-out": []}
    licences = []
    for start in range(0, len(FONTS), 12):
        group = FONTS[start : start + 12]
        for source, path in zip(group, _pack([f.package for f in group], scratch), strict=True):
            with tarfile.open(path) as archive:
                about = json.loads(_member(archive, "package.json") or b"{}")
                licences.append({"package": f"{about['name']}@{about['version']}", "licence": str(about["license"])})
                for weight in _WEIGHTS:
                    font = _member(archive, f"files/{source.family}-latin-{weight}-normal.woff")
                    if font:
                        name = f"{source.family}-{weight}.woff"
                        (into / name).write_bytes(font)
                        kept[source.use].append(name)
                (into / f"{source.family}.LICENSE").write_bytes(_member(archive, "LICENSE") or b"")
            path.unlink()
        _log.info("fonts: %d of %d families", min(start + 12, len(FONTS)), len(FONTS))
    return kept, licences


def _fetch_emoji(into: Path, scratch: Path) -> tuple[list[str], dict[str, list[str]]]:
    labels_path, *style_paths = _pack([LABELS_PACKAGE, *(s.package for s in STYLES)], scratch)
    with tarfile.open(labels_path) as archive:
        entries = json.loads(_member(archive, "en/compact.json") or b"[]")
    labels = [e["label"] for e in entries if "200D" not in e["hexcode"] and e.get("group") not in _UNPICTURED_GROUPS]
    drawn: dict[str, dict[str, Any]] = {}
    for source, path in zip(STYLES, style_paths, strict=True):
        with tarfile.open(path) as archive:
            drawn[source.style] = json.loads(_member(archive, "icons.json") or b"{}")
    concepts = sorted({label for label in labels if _common(drawn, label)})
    kept: dict[str, list[str]] = {"train": [], "held-out": []}
    for source in STYLES:
        np.save(into / f"{source.style}.npy", _draw_style(source, drawn[source.style], concepts))
        kept[source.use].append(source.style)
        _log.info("emoji: %s drawn", source.style)
    return concepts, kept


def _common(drawn: dict[str, dict[str, Any]], label: str) -> bool:
    """A concept is kept when the held-out style and at least two styles for training draw it."""
    trained = sum(_body(drawn[s.style], label) is not None for s in STYLES if s.use == "train")
    held = all(_body(drawn[s.style], label) is not None for s in STYLES if s.use == "held-out")
    return held and trained >= 2


def _slug(label: str) -> str:
    letters = (c if c.isalnum() else "-" for c in label.lower() if c not in "’'.:!,“”()")
    return "-".join(part for part in "".join(letters).split("-") if part)


def _body(icons: dict[str, Any], label: str) -> tuple[str, int, int] | None:
    """(SVG body, width, height) of a label in an Iconify set, through its aliases; None where it is not drawn."""
    slug = _slug(label)
    slug = icons.get("aliases", {}).get(slug, {}).get("parent", slug)
    icon = icons["icons"].get(slug)
    if icon is None:
        return None
    return icon["body"], icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))


def _draw_style(source: StyleSource, icons: dict[str, Any], concepts: list[str]) -> np.ndarray:
    """RGBA sprites (concepts, SPRITE, SPRITE, 4) uint8; a concept that the style lacks is fully transparent."""
    cairosvg = need("cairosvg", extra="train")
    sprites = np.zeros((len(concepts), SPRITE, SPRITE, 4), np.uint8)
    for i, label in enumerate(concepts):
        found = _body(icons, label)
        if found is None:
            continue
        body, width, height = found
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}">{body}</svg>'
        )
        try:
            png = cairosvg.svg2png(bytestring=svg.encode(), output_width=SPRITE, output_height=SPRITE)
        except Exception as problem:  # a drawing that cairo cannot do is left out, whatever its reason
            _log.warning("%s of %s is left out: %s", label, source.style, type(problem).__name__)
            continue
        sprites[i] = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    return sprites


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    print(fetch())
