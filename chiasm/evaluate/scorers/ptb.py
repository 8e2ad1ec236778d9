"""Captions as words: the Penn Treebank's way, without punctuation.

`tokenize(..., exact=True)` runs the program that the COCO tools run. The rules here differ from it where captions seldom go:
they know few abbreviations, and no faces drawn with punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from chiasm.evaluate.scorers import jars
from chiasm.evaluate.scorers.tables import words

Reference = Literal["CoreNLP 3.4.1", "Chiasm's rules"]

DROPPED = frozenset(("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"))
"""Capitals in the names of brackets never meet the lower-case tokens, so brackets stay as words."""

_ABBREVIATED = words("""mr mrs ms dr prof st sr jr vs etc inc ltd co corp ave blvd rd mt gen col sgt capt lt rep sen gov rev hon
jan feb mar apr jun jul aug sep sept oct nov dec ph.d u.s u.k e.g i.e a.m p.m""")
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_SPELT = str.maketrans({"½": "1/2", "¼": "1/4", "¾": "3/4", "£": "# ", "€": "$ ", "¢": " cents"})
_WORD = r"[^\W_]"
_CLITIC = "(?:s|m|d|re|ve|ll)"
_TOKEN = re.compile(
    rf"""
    (?P<gone>[\U0001F000-\U0001FAFF\uFE0F\u200D])
    | (?P<address>(?:https?://|www\.)\S+ | [\w.]+@\w+\.\w+ | [@\#][a-z]\w* | </?[a-z]+/?>)
    | (?P<abbreviated>(?:{"|".join(map(re.escape, _ABBREVIATED))})\.(?!\w) | (?<!\w)[a-z]\.(?!\w) | no\.(?=\s*\d))
    | (?P<initials>(?:[a-z]\.){{2,}})
    | (?P<clitic>(?<=\w)n['’]t\b | ['’]{_CLITIC}\b)
    | (?P<quoted>'n' | (?<!\w)'t(?=is\b|was\b) | '\d0s\b)
    | (?P<number>[-+]?(?<![\w.])(?:\d+(?:[,.:/]\d+)*|\.\d+)(?!\w|-\w))
    | (?P<word>{_WORD}+?(?=n['’]t\b) | {_WORD}+(?:[-_&./]{_WORD}+|['’](?!{_CLITIC}\b|t\b){_WORD}+)*)
    | (?P<dots>\.{{2,}}) | (?P<dashes>-{{2,}}|[–—]) | (?P<marks>[?!]+)
    | (?P<quote>["“”‘’]) | (?P<bracket>[()\[\]{{}}]) | (?P<other>\S)
    """,
    re.VERBOSE,
)
_WHOLE = {"cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "gimme": "gim me", "lemme": "lem me"}


def tokenize(texts: Sequence[str], exact: bool) -> list[str]:
    """Each text as lower-case tokens with a space between two, punctuation dropped."""
    several = [line.split(" ") for line in jars.tokens(texts)] if exact else map(tokens, texts)
    return [" ".join(token for token in found if token not in DROPPED) for found in several]


def tokens(text: str) -> list[str]:
    """By the rules, which look beyond a space for "no." alone: elsewhere what stands between spaces is read once and kept."""
    plain = text.replace("\n", " ").lower().translate(_SPELT)
    if "no." in plain:
        return list(_read(plain))
    return [token for part in plain.split() for token in _read(part)]


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> tuple[str, ...]:
    out: list[str] = []
    for found in _TOKEN.finditer(text):
        token = found[0]
        match found.lastgroup:
            case "gone" | "quote":
                continue
            case "bracket":
                out.append(_BRACKETS[token])
            case "dots":
                out.append("...")
            case "dashes":
                out.append("--")
            case "clitic":
                out.append(token.replace("’", "'"))
            case "word":
                out += _WHOLE.get(token, token).split()
            case _:
                out.append(token)
    return tuple(out)
