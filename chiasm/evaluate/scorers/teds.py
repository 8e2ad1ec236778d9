"""TEDS: how alike two HTML tables are, structure and text together (Zhong et al. 2020, arXiv:1911.10683).

As the authors' code counts it: inserting or deleting an element costs 1; two cells of the same span cost the normalised edit
distance of their characters and markup, elements that differ otherwise cost 1; the sum is divided by the larger table's number
of elements. `structure_only` leaves the cells' text out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count

from chiasm.evaluate.scorers.distance import levenshtein
from chiasm.evaluate.scorers.html_tables import Content, Tree, read


def teds(prediction: str, truth: str, structure_only: bool = False) -> float:
    """At most 1; 0 where either holds no table, and below where shapes are so unlike that little can be kept."""
    said, true = read(prediction), read(truth)
    if said is None or true is None:
        return 0.0
    elements = max(said.size - 1, true.size - 1, 1)
    return 1 - _Pair(said, true, structure_only).distance() / elements


_UNKNOWN = -1.0


class _Pair:
    """Two trees, and the distances of their subtrees as far as they were needed (Zhang and Shasha 1989, doi:10.1137/0218082).

    No cost is below zero: what is as dear without a subtree's distance is not made cheaper by it, and then it is never asked.
    """

    def __init__(self, one: Tree, other: Tree, structure_only: bool) -> None:
        self.one, self.other, self.structure_only = one, other, structure_only
        self.distances = [[_UNKNOWN] * len(other.names) for _ in one.names]
        self.changes: dict[tuple[Content, Content], float] = {}
        number: defaultdict[object, int] = defaultdict(count().__next__)

        def numbered(tree: Tree) -> list[int]:
            """Of each element all that tells it from others, how many stand below it too: equal runs are equal subtrees."""
            said = zip(tree.names, tree.contents, tree.leaves, strict=True)
            return [number[name, "" if structure_only else inside, at - leaf] for at, (name, inside, leaf) in enumerate(said)]

        self.kinds_one, self.kinds_other = numbered(one), numbered(other)

    def distance(self) -> float:
        """Of the whole trees. Subtrees wait for smaller ones on a list, so that a tree may be as deep as it likes."""
        waiting: list[Iterator[tuple[int, int]]] = [iter([(len(self.kinds_one) - 1, len(self.kinds_other) - 1)])]
        while waiting:
            wanted = next(waiting[-1], None)
            if wanted is None:
                waiting.pop()
            else:
                waiting.append(self._subtrees(*wanted))
        return self.distances[-1][-1]

    def _subtrees(self, last: int, end: int) -> Iterator[tuple[int, int]]:
        """Writes down the distance of two subtrees, and on the way of those with the same leftmost leaves; asks for others that
        are not known yet."""
        leaves_one, leaves_other, distances = self.one.leaves, self.other.leaves, self.distances
        first, start = leaves_one[last], leaves_other[end]
        if self.kinds_one[last] == self.kinds_other[end] and (
            self.kinds_one[first : last + 1] == self.kinds_other[start : end + 1]
        ):
            distances[last][end] = 0.0
            return
        above = list(map(float, range(end - start + 2)))
        rows = [above]
        for x in range(first, last + 1):
            least = above[0] + 1
            row, known, whole = [least], distances[x], leaves_one[x] == first
            before, below = rows[leaves_one[x] - first], x - leaves_one[x]
            for place, y in enumerate(range(start, end + 1)):
                leaf, gone = leaves_other[y], above[place + 1]
                least = (gone if gone < least else least) + 1
                if whole and leaf == start:
                    if above[place] < least and (kept := above[place] + self._change(x, y)) < least:
                        least = kept
                    known[y] = least
                elif (kept := before[leaf - start]) + abs(below - y + leaf) < least:
                    if known[y] < 0:
                        if below or y > leaf:
                            yield x, y
                        else:
                            known[y] = self._change(x, y)
                    if kept + known[y] < least:
                        least = kept + known[y]
                row.append(least)
            rows.append(row)
            above = row

    def _change(self, x: int, y: int) -> float:
        if self.one.names[x] != self.other.names[y]:
            return 1.0
        contents = self.one.contents[x], self.other.contents[y]
        if self.structure_only or contents[0] == contents[1]:
            return 0.0
        if contents not in self.changes:
            self.changes[contents] = _edits(*contents) / max(map(len, contents))
        return self.changes[contents]


def _edits(first: Content, second: Content) -> int:
    """Levenshtein's distance; markup is numbered so that it can be compared as text."""
    if isinstance(first, str) and isinstance(second, str):
        return levenshtein(first, second)
    numbers = {token: chr(0xE000 + place) for place, token in enumerate(dict.fromkeys((*first, *second)))}
    return levenshtein("".join(map(numbers.__getitem__, first)), "".join(map(numbers.__getitem__, second)))
