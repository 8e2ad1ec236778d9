"""A table's elements as a tree, read off HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

CELL = "td"
_CLOSED = frozenset(("br", "hr", "img", "input", "col", "wbr", "meta", "link"))

Name = tuple[str, tuple[int, int]]
"""A tag and, of cells, how many columns and rows it spans."""

Content = str | tuple[str, ...]
"""What lies in a cell: its characters, and where there is markup, characters and tags."""


@dataclass
class Tree:
    """Elements in postorder: the name of each, what a cell holds, and the place of the leftmost leaf below it. What is marked
    up inside of a cell is no element of its own, but `size` counts it."""

    names: list[Name] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True)
class _Open:
    """An element that is not closed yet, whose leftmost leaf is the next to be closed."""

    name: Name
    leaf: int


class _Builder:
    """The first table of a page; a tag that closes what is not open is passed over."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.open: list[_Open] = []
        self.cell = 0
        self.inside: list[str] = []

    def start(self, tag: str, span: tuple[int, int]) -> None:
        if not self.open and (tag != "table" or self.tree.size):
            return
        self.tree.size += 1
        self.open.append(_Open((tag, span if tag == CELL else (1, 1)), len(self.tree.names)))
        if self.cell:
            self.inside.append(f"<{tag}>")
        elif tag == CELL:
            self.cell = len(self.open)
        if tag in _CLOSED:
            self.close(len(self.open) - 1)

    def end(self, tag: str) -> None:
        for depth in range(len(self.open) - 1, -1, -1):
            if self.open[depth].name[0] == tag:
                return self.close(depth)
        return None

    def text(self, text: str) -> None:
        if self.cell:
            self.inside += text

    def close(self, depth: int) -> None:
        """All that is open below a depth."""
        while len(self.open) > depth:
            if 0 < self.cell < len(self.open):
                self.inside.append(f"</{self.open.pop().name[0]}>")
                continue
            closed, text = self.open.pop(), "".join(self.inside)
            self.tree.names.append(closed.name)
            self.tree.contents.append(text if len(text) == len(self.inside) else tuple(self.inside))
            self.tree.leaves.append(closed.leaf)
            self.cell, self.inside = 0, []


class _Parser(HTMLParser):
    def __init__(self, builder: _Builder) -> None:
        super().__init__()
        self.builder = builder

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.builder.start(tag, (_number(given.get("colspan")), _number(given.get("rowspan"))))

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.text(data)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 1


_TAGS = "html|body|table|thead|tbody|tfoot|tr|td|th|b|i|u|sup|sub|strong|em|span|div|p|br"


def _piece(group: str) -> str:
    """A tag as tables are mostly written, or text without entities."""
    span = f"{group}[0-9]{{1,4}})"
    return rf'<{group}{_TAGS})(?: colspan="{span}")?(?: rowspan="{span}")?>|</{group}{_TAGS})>|{group}[^<&]+)'


_PIECE, _PLAIN = re.compile(_piece("(")), re.compile(f"(?:{_piece('(?:')})*+")


def read(html: str) -> Tree | None:
    """The first table, or `None` without one. What consists of plain pieces is taken apart here; Python's own parser, which is
    slow, reads the rest."""
    builder = _Builder()
    if _PLAIN.fullmatch(html):
        for tag, columns, rows, ended, text in _PIECE.findall(html):
            if tag:
                builder.start(tag, (int(columns or 1), int(rows or 1)))
            elif ended:
                builder.end(ended)
            else:
                builder.text(text)
    else:
        parser = _Parser(builder)
        parser.feed(html)
        parser.close()
    builder.close(0)
    return builder.tree if builder.tree.size else None
