"""TEDS: how alike two HTML tables are, structure and text together (Zhong et al. 2020, arXiv:1911.10683).

As the authors' code counts it: inserting or deleting an element costs 1; two cells of the same span cost the normalised edit
distance of their characters and markup, elements that differ otherwise cost 1; the sum is divided by the larger table's number
of elements. `structure_only` leaves the cells' text out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from chiasm.evaluate.scorers.distance import levenshtein

CELL = "td"
_CLOSED = frozenset(("br", "hr", "img", "input", "col", "wbr", "meta", "link"))


@dataclass
class Element:
    """An element of a table with what lies in it: text and elements in order."""

    tag: str
    span: tuple[int, int] = (1, 1)
    inside: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [one for one in self.inside if isinstance(one, Element)]

    def size(self) -> int:
        """It and all elements below it."""
        return 1 + sum(child.size() for child in self.children)

    def tokens(self) -> list[str]:
        """Characters and tags of what lies inside."""
        out: list[str] = []
        for one in self.inside:
            out += one if isinstance(one, str) else [f"<{one.tag}>", *one.tokens(), f"</{one.tag}>"]
        return out


class _Reader(HTMLParser):
    """The first table of a page; a tag that closes what is not open is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Element | None = None
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.open and (tag != "table" or self.table is not None):
            return
        given = dict(attrs)
        span = (_number(given.get("colspan")), _number(given.get("rowspan")))
        element = Element(tag, span if tag == CELL else (1, 1))
        if self.open:
            self.open[-1].inside.append(element)
        else:
            self.table = element
        if tag not in _CLOSED:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        names = [element.tag for element in self.open]
        if tag in names:
            del self.open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].inside.append(data)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 1


def read(html: str) -> Element | None:
    """The first table, or `None` without one."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.table


def teds(prediction: str, truth: str, structure_only: bool = False) -> float:
    """At most 1; 0 where either holds no table, and below where shapes are so unlike that little can be kept."""
    said, true = read(prediction), read(truth)
    if said is None or true is None:
        return 0.0
    elements = max(said.size() - 1, true.size() - 1, 1)
    return 1 - _distance(_Order.of(said, structure_only), _Order.of(true, structure_only)) / elements


@dataclass(frozen=True)
class _Order:
    """A tree's elements in postorder, with the leftmost leaf below each; markup inside of cells is text, not elements."""

    tags: tuple[tuple[str, tuple[int, int]], ...]
    texts: tuple[tuple[str, ...], ...]
    leaves: tuple[int, ...]

    @classmethod
    def of(cls, root: Element, structure_only: bool) -> _Order:
        tags: list[tuple[str, tuple[int, int]]] = []
        texts: list[tuple[str, ...]] = []
        leaves: list[int] = []

        def visit(element: Element) -> int:
            cell = element.tag == CELL
            below = [visit(child) for child in ([] if cell else element.children)]
            leaf = below[0] if below else len(tags)
            tags.append((element.tag, element.span))
            texts.append(tuple(element.tokens()) if cell and not structure_only else ())
            leaves.append(leaf)
            return leaf

        visit(root)
        return cls(tuple(tags), tuple(texts), tuple(leaves))

    def roots(self) -> list[int]:
        """The last element of each leftmost leaf: where subtrees must be compared on their own."""
        return sorted({leaf: place for place, leaf in enumerate(self.leaves)}.values())


def _distance(one: _Order, other: _Order) -> float:
    """Zhang and Shasha 1989, doi:10.1137/0218082."""
    trees = [[0.0] * len(other.tags) for _ in one.tags]
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for last in one.roots():
        for end in other.roots():
            _subtrees(one, other, last, end, trees, known)
    return trees[-1][-1]


def _subtrees(
    one: _Order,
    other: _Order,
    last: int,
    end: int,
    trees: list[list[float]],
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], float],
) -> None:
    first, start = one.leaves[last], other.leaves[end]
    above = [float(n) for n in range(end - start + 2)]
    rows = [above]
    for x in range(first, last + 1):
        row = [above[0] + 1]
        whole = one.leaves[x] == first
        for y in range(start, end + 1):
            place = y - start
            least = min(above[place + 1], row[place]) + 1
            if whole and other.leaves[y] == start:
                least = min(least, above[place] + _change(one, other, x, y, known))
                trees[x][y] = least
            else:
                least = min(least, rows[one.leaves[x] - first][other.leaves[y] - start] + trees[x][y])
            row.append(least)
        rows.append(row)
        above = row


def _change(
    one: _Order, other: _Order, x: int, y: int, known: dict[tuple[tuple[str, ...], tuple[str, ...]], float]
) -> float:  # fmt: skip
    if one.tags[x] != other.tags[y]:
        return 1.0
    texts = one.texts[x], other.texts[y]
    if texts[0] == texts[1]:
        return 0.0
    if texts not in known:
        known[texts] = _edits(*texts) / max(map(len, texts))
    return known[texts]


def _edits(first: Sequence[str], second: Sequence[str]) -> int:
    """Levenshtein's distance of two lists, whose items are numbered so that they can be compared as texts."""
    numbers = {token: chr(0xE000 + place) for place, token in enumerate(dict.fromkeys((*first, *second)))}
    return levenshtein("".join(map(numbers.__getitem__, first)), "".join(map(numbers.__getitem__, second)))
