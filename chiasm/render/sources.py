"""Where the drawing material comes from: free fonts and emoji pictures, as npm packages, with version and licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Use = Literal["train", "held-out"]


@dataclass(frozen=True)
class FontSource:
    """A free font family as `@fontsource/<family>` on npm; its licence file is kept beside the fonts."""

    family: str
    use: Use

    @property
    def package(self) -> str:
        return f"@fontsource/{self.family}@5"


@dataclass(frozen=True)
class StyleSource:
    """One emoji drawing style as `@iconify-json/<style>` on npm."""

    style: str
    version: str
    licence: str
    use: Use

    @property
    def package(self) -> str:
        return f"@iconify-json/{self.style}@{self.version}"


LABELS_PACKAGE = "emojibase-data@17.0.0"
"""English names of emoji, MIT."""

STYLES = (
    StyleSource("noto", "1.2.9", "Apache-2.0", "train"),
    StyleSource("noto-v1", "1.2.5", "Apache-2.0", "train"),
    StyleSource("fluent-emoji-flat", "1.2.6", "MIT", "train"),
    StyleSource("fluent-emoji", "1.2.7", "MIT", "train"),
    StyleSource("emojione", "1.2.3", "CC-BY-4.0", "train"),
    StyleSource("twemoji", "1.2.5", "CC-BY-4.0", "held-out"),
)

_TRAIN_FAMILIES = """
roboto open-sans montserrat oswald source-sans-3 raleway playfair-display nunito pt-sans lora rubik inter inconsolata
source-code-pro roboto-mono roboto-slab roboto-condensed libre-baskerville crimson-text eb-garamond bitter
josefin-sans quicksand comfortaa dosis cabin noto-serif dm-sans space-mono space-grotesk anton bebas-neue
abril-fatface pacifico caveat permanent-marker exo-2 archivo zilla-slab vollkorn cardo alegreya slabo-27px overpass
mulish manrope poppins asap hind signika varela-round righteous lobster share-tech-mono vt323 cousine tinos arimo
atkinson-hyperlegible dejavu-sans special-elite fredoka
"""

_HELD_OUT_FAMILIES = """
lato merriweather ubuntu work-sans fira-sans jetbrains-mono arvo karla ibm-plex-sans ibm-plex-serif barlow
courier-prime titillium-web patrick-hand
"""

FONTS = tuple(FontSource(f, "train") for f in _TRAIN_FAMILIES.split()) + tuple(
    FontSource(f, "held-out") for f in _HELD_OUT_FAMILIES.split()
)
