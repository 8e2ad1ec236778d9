"""The text rules that VQA's script began and half the field copied: punctuation, then number words, articles, contractions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from chiasm.evaluate.scorers import tables

PUNCTUATION = (
    ";", "/", "[", "]", '"', "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`", ",", "?", "!",
)  # fmt: skip

NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip

ARTICLES = ("a", "an", "the")

MOST_PERIODS = 32
"""Every copy hands the flag `re.UNICODE`, which is 32, to `sub` in the place of its count."""

_BARE = tables.words(
    """ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't
    it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
    somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd
    they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've
    who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've"""
)

_DOUBLE = tables.words("""couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'd've you'd've""")

CONTRACTIONS = {
    **{whole.replace("'", ""): whole for whole in _BARE},
    **{short: whole for whole in _DOUBLE for short in (whole.replace("'", "", 1), whole[::-1].replace("'", "", 1)[::-1])},
    "yall'll": "y'all'll",
    "y'allll": "y'all'll",
    "y'alld've": "y'all'd've",
    "ow's'at": "'ow's'at",
    "'ows'at": "'ow's'at",
    "'ow'sat": "'ow's'at",
    "somebody'd": "somebodyd",
}
"""Whole lower-case words that change. The script's keys with a capital (Im, Ive) never meet a word, and two of its entries
change nothing; they are left out."""


@dataclass(frozen=True)
class Dialect:
    """Where the copies differ: which digits count, and which periods go."""

    comma: re.Pattern[str]
    period: re.Pattern[str]


PYTHON_2 = Dialect(re.compile(r"[0-9],[0-9]"), re.compile(r"\.(?![0-9])"))
"""The official script: a regular expression's digits are ASCII, and its look-behind for one is misspelt and does nothing."""

PYTHON_3 = Dialect(re.compile(r"\d,\d"), re.compile(r"\.(?!\d)"))
"""The same rules run by mmf and lmms-eval: digits of every script."""

LOOKING_BEHIND = Dialect(re.compile(r"\d,\d"), re.compile(r"(?<!\d)\.(?!\d)"))
"""VLMEvalKit's, whose look-behind works: a period after a digit stays."""


def plain(text: str) -> str:
    """No line breaks or tabs, nothing around it."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def punctuation(text: str, dialect: Dialect) -> str:
    """A mark beside a space goes, and every mark of a text with a comma between digits; elsewhere it becomes a space."""
    out, grouped = text, dialect.comma.search(text) is not None
    for mark in PUNCTUATION:
        if mark in out:
            out = out.replace(mark, "" if grouped or mark + " " in text or " " + mark in text else " ")
    return dialect.period.sub("", out, MOST_PERIODS) if "." in out else out


def words(text: str) -> str:
    """Lower case; number words up to ten as digits, articles dropped, contractions with their apostrophes."""
    kept = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in kept if word not in ARTICLES)


@lru_cache(maxsize=1 << 16)
def normalize(text: str, dialect: Dialect = PYTHON_2) -> str:
    """Both steps, as VQA's script takes them."""
    return words(punctuation(text, dialect))


@lru_cache(maxsize=1 << 16)
def evalai(text: str) -> str:
    """mmf's EvalAI processor: commas and question marks go first, and a possessive s becomes a word of its own."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return normalize(plain(text), PYTHON_3)
