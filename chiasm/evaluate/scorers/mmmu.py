"""MMMU and MMMU-Pro: letters read by last occurrence, open answers by what they contain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Reference = Literal["MMMU", "lmms-eval", "MMMU-Pro"]

_EDGES = (",", ".", "!", "?", ";", ":", "'")
_MANY = 5
_ANSWER = "Answer:"


def letters(options: Sequence[str]) -> dict[str, str]:
    """Options by letter, A first."""
    return {chr(ord("A") + place): text for place, text in enumerate(options)}


def parse_choice(response: str, options: Mapping[str, str], reference: Reference = "MMMU") -> str | None:
    """The letter meant, or `None` where the published code draws one at random.

    MMMU wants "(X)", else a capital between spaces, else (in more than five words) an option's text; of several the last.
    lmms-eval takes a letter before a space as well, and then one before a period. MMMU-Pro does too, after it has looked
    behind the last "Answer:" for exactly one letter anywhere.
    """
    if reference == "MMMU-Pro" and _ANSWER in response:
        rest = response.split(_ANSWER)[-1].strip()
        named = [letter for letter in options if letter in rest]
        if len(named) == 1:
            return named[0]
    text = response
    for edge in _EDGES:
        text = text.strip(edge)
    text = f" {text} "
    lower = text.lower()
    forms: list[tuple[Callable[[str], str], Callable[[str], str]]] = [(_bracketed, _bracketed)]
    match reference:
        case "MMMU":
            forms.append((_spaced, _spaced))
        case "lmms-eval" | "MMMU-Pro":
            forms += [(lambda letter: f"{letter} ", _spaced), (lambda letter: f"{letter}.", _spaced)]
    for form, ranked in forms:
        found = [letter for letter in options if form(letter) in text]
        if found:
            return max(found, key=lambda letter: text.rfind(ranked(letter)))
    if len(text.split()) > _MANY:
        found = [letter for letter, option in options.items() if option.lower() in lower]
        if found:
            return max(found, key=lambda letter: lower.rfind(options[letter].lower()))
    return None


def _bracketed(letter: str) -> str:
    return f"({letter})"


def _spaced(letter: str) -> str:
    return f" {letter} "


_GROUPED = re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b")
_SCIENTIFIC = re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+")
_SIMPLE = re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])")


def numbers(text: str) -> list[str]:
    """Numbers as they are written: those with grouped thousands, then scientific ones, then the rest."""
    return [*_GROUPED.findall(text), *_SCIENTIFIC.findall(text), *_SIMPLE.findall(text)]


def normalize(text: str) -> list[str | float]:
    """A number to two decimals; other text in lower case, and one character with a space at either side of it, so that it
    does not match inside every word."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lower = text.lower()
        return [" " + lower, lower + " "] if len(lower) == 1 else [lower]


_LEADS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = (":", ",", ".", "!", "?", ";", "'")


def parse_open(response: str) -> list[str | float]:
    """All that an open answer may mean: the shortest tail after a leading word in each line (after "=" too in the last one),
    or the whole, with every number in them, normalised, each once."""
    text = response.strip().strip(".").lower()
    lines, tails = text.split("\n"), []
    for place, line in enumerate(lines):
        leads = (*_LEADS, "=") if place == len(lines) - 1 else _LEADS
        ends = [line.split(lead)[-1].strip() for lead in leads if lead in line]
        tail = _shortest(ends)
        if tail and tail not in _TRIVIAL:
            tails.append(tail)
    tails = tails or [text]
    meant = [*tails, *(number for tail in tails for number in numbers(tail))]
    return list(dict.fromkeys(one for text in meant for one in normalize(text)))


def _shortest(ends: Sequence[str]) -> str:
    """The shortest end, but an empty one found so far gives way to whatever comes next."""
    shortest = ""
    for end in ends:
        if not shortest or len(end) < len(shortest):
            shortest = end
    return shortest


def right_open(parsed: Sequence[str | float], gold: str | Sequence[str]) -> bool:
    """Whether a gold text stands inside a text that was meant, or a number that was meant is gold."""
    golds = [one for text in ([gold] if isinstance(gold, str) else gold) for one in normalize(text)]
    return any(
        any(isinstance(gold, str) and gold in one for gold in golds) if isinstance(one, str) else one in golds for one in parsed
    )


def right_choice(parsed: str | None, gold: str | Sequence[str]) -> bool:
    """Whether the letter is the gold one, or one of them."""
    return parsed == gold if isinstance(gold, str) else parsed in gold


DOMAINS = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Sociology", "Psychology"),
    "Tech and Engineering": (
        "Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics", "Energy_and_Power", "Materials",
        "Mechanical_Engineering",
    ),
}  # fmt: skip
"""The thirty subjects by domain."""


def subject(id: str) -> str:
    """Of a question: its id without the split in front and the number behind."""
    return "_".join(id.split("_")[1:-1])


def summary(right: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    """Accuracy by subject, of each domain ("Overall-...") and of all ("Overall"), every question alike, to three decimals."""
    groups: dict[str, Sequence[bool]] = {}
    for domain, subjects in DOMAINS.items():
        present = {name: right[name] for name in subjects if name in right}
        if present:
            groups[f"Overall-{domain}"] = [one for group in present.values() for one in group]
            groups |= present
    groups["Overall"] = [one for group in right.values() for one in group]
    return {name: round(sum(group) / len(group), 3) for name, group in groups.items()}
