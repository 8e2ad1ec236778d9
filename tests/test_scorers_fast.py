"""Scorers that are fast against plain restatements of what they compute: to the last bit."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from statistics import stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.evaluate.benchmarks import figures
from chiasm.evaluate.scorers import captions, grams, html_tables, retrieval, teds
from chiasm.evaluate.scorers.grams import GRAMS, Corpus
from chiasm.evaluate.scorers.tables import words

WORDS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "c", "d", "é", "日本"]), max_size=12).map(" ".join), st.text("ab \t\n", max_size=9)
)
CAPTIONS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=4)), min_size=1, max_size=8)
Corpora = list[tuple[str, list[str]]]


def _corpus(corpus: Corpora) -> Corpus:
    return Corpus([said for said, _ in corpus], [true for _, true in corpus])


def _counts(text: str, n: int) -> Counter[tuple[str, ...]]:
    words = text.split()
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))


@given(CAPTIONS)
def test_bleu_by_its_definition(corpus: Corpora) -> None:
    tiny, small = 1e-15, 1e-9
    rows = []
    for said, true in corpus:
        length, others = len(said.split()), [len(one.split()) for one in true]
        row = [length, min(others, key=lambda other: (abs(other - length), other))]
        for n in range(1, GRAMS + 1):
            several = [_counts(one, n) for one in true]
            kept = [min(times, max(one[gram] for one in several)) for gram, times in _counts(said, n).items()]
            row += [sum(kept), max(0, length - n + 1)]
        rows.append(row)

    def scores(length: int, reference: int, *shares: int) -> list[float]:
        ratio = (length + tiny) / (reference + small)
        product, out = 1.0, []
        for n in range(GRAMS):
            product *= (shares[2 * n] + tiny) / (shares[2 * n + 1] + small)
            out.append(product ** (1 / (n + 1)) * (math.exp(1 - 1 / ratio) if ratio < 1 else 1))
        return out

    found = captions.bleu(_corpus(corpus))
    assert [one.corpus for one in found] == scores(*(sum(column) for column in zip(*rows, strict=True)))
    assert list(zip(*(one.each for one in found), strict=True)) == [tuple(scores(*row)) for row in rows]


@given(CAPTIONS)
def test_cider_by_its_definition(corpus: Corpora) -> None:
    images, each = math.log(len(corpus)), []
    spread = Counter(
        gram for _, true in corpus for gram in {gram for one in true for n in range(1, 5) for gram in _counts(one, n)}
    )

    def weights(text: str, n: int) -> dict[tuple[str, ...], float]:
        return {gram: times * (images - math.log(max(1, spread[gram]))) for gram, times in _counts(text, n).items()}

    def added(numbers: Sequence[float]) -> float:
        total = 0.0
        for number in numbers:
            total += number
        return total

    for said, true in corpus:
        total = 0.0
        for one in true:
            apart = sum(_counts(said, 2).values()) - sum(_counts(one, 2).values())
            for n in range(1, GRAMS + 1):
                a, b = weights(said, n), weights(one, n)
                norms = math.sqrt(added([x**2 for x in a.values()])) * math.sqrt(added([x**2 for x in b.values()]))
                shared = added([min(a[gram], b[gram]) * b[gram] for gram in a if gram in b])
                total += shared / norms * math.exp(-(apart**2) / 72) if norms else 0
        each.append(10 * total / 4 / len(true))
    assert captions.cider(_corpus(corpus)).each == tuple(each)


@given(CAPTIONS)
def test_rouge_by_its_definition(corpus: Corpora) -> None:
    each = []
    for said, true in corpus:
        single, common = said.split(" "), []
        for other in (one.split(" ") for one in true):
            row = [0] * (len(other) + 1)
            for word in single:
                last, row = row, [0]
                for place, one in enumerate(other):
                    row.append(last[place] + 1 if word == one else max(last[place + 1], row[-1]))
            common.append((row[-1], row[-1] / len(other)))
        precision, recall = max(length for length, _ in common) / len(single), max(share for _, share in common)
        each.append((1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision) if precision and recall else 0.0)
    assert captions.rouge_l(_corpus(corpus)).each == tuple(each)


@given(st.lists(st.sampled_from([0, 1, 2, 5, 2**61 + 1, 2**62]), max_size=20))
def test_whole_numbers_are_sorted_as_they_come_whatever_their_size(keys: list[int]) -> None:
    assert grams._order(np.array(keys, np.int64)).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


PIECES = words("""<table> </table> <tr> </tr> <td> </td> <b> </b> <br> <th> <col> <TD> <td/> </p> a bc é> < & &amp;""")
CELLS = [" ", '<td colspan="2">', '<td colspan="2" rowspan="3">', "<td rowspan='2'>", "<!-- x -->"]
MARKUP = st.lists(st.sampled_from([*PIECES, *CELLS]), max_size=30).map("".join)
SOUP = MARKUP.map("<table>".__add__)


@given(MARKUP)
def test_plain_tables_are_read_as_pythons_parser_reads_them(html: str) -> None:
    builder = html_tables._Builder()
    parser = html_tables._Parser(builder)
    parser.feed(html)
    parser.close()
    builder.close(0)
    assert html_tables.read(html) == (builder.tree if builder.tree.size else None)


def _roots(tree: html_tables.Tree) -> list[int]:
    return sorted({leaf: place for place, leaf in enumerate(tree.leaves)}.values())


def _teds(said: html_tables.Tree, true: html_tables.Tree, structure_only: bool) -> float:
    """Zhang and Shasha's program as they print it, every cost worked out."""

    def change(x: int, y: int) -> float:
        if said.names[x] != true.names[y]:
            return 1.0
        one, other = said.contents[x], true.contents[y]
        return 0.0 if structure_only or one == other else teds._edits(one, other) / max(len(one), len(other))

    trees = [[0.0] * len(true.names) for _ in said.names]
    for last in _roots(said):
        for end in _roots(true):
            first, start = said.leaves[last], true.leaves[end]
            forest = {(first - 1, y): float(y - start + 1) for y in range(start - 1, end + 1)}
            for x in range(first, last + 1):
                forest[x, start - 1] = forest[x - 1, start - 1] + 1
                for y in range(start, end + 1):
                    leaf, other = said.leaves[x], true.leaves[y]
                    whole = leaf == first and other == start
                    kept = forest[x - 1, y - 1] + change(x, y) if whole else forest[leaf - 1, other - 1] + trees[x][y]
                    forest[x, y] = min(forest[x - 1, y] + 1, forest[x, y - 1] + 1, kept)
                    if whole:
                        trees[x][y] = forest[x, y]
    return 1 - trees[-1][-1] / max(said.size - 1, true.size - 1, 1)


@given(SOUP, SOUP, st.booleans())
def test_teds_by_its_definition(prediction: str, truth: str, structure_only: bool) -> None:
    said, true = html_tables.read(prediction), html_tables.read(truth)
    assert said and true and teds.teds(prediction, truth, structure_only) == _teds(said, true, structure_only)


def test_teds_of_rows_that_are_never_closed() -> None:
    rows, fewer = ("<table>" + "<tr><td>x" * many for many in (1500, 1))
    assert teds.teds(rows, rows) == 1 and teds.teds("<table>" + "<tr>" * 3000, fewer) < 0.01


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=12))
def test_a_bootstrap_draws_as_python_draws(counts: list[tuple[int, int]]) -> None:
    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    (found,) = figures.bootstrap(counts, {"share": lambda part, whole: part / whole})
    draw = random.Random(figures.SEED)
    drawn = [share(*map(sum, zip(*draw.choices(counts, k=len(counts)), strict=True))) for _ in range(figures.TIMES)]
    low, high = (sorted(drawn)[round(level * (figures.TIMES - 1))] for level in (0.025, 0.975))
    value = share(*map(sum, zip(*counts, strict=True)))
    assert found == figures.Figure("share", value, stdev(drawn), low, high, len(counts))


@pytest.mark.parametrize("at_once", [1, 13, 1 << 22])
def test_images_and_texts_are_ranked_alike_in_parts(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_AT_ONCE", at_once)
    scores, owner = np.random.default_rng(0).normal(size=(6, 12)), np.arange(12) % 6
    found = retrieval.image_text_ranks(scores, owner.tolist())
    best = [max(row[owner == image]) for image, row in enumerate(scores)]
    assert found.text.tolist() == [(row > one).sum() for row, one in zip(scores, best, strict=True)]
    assert found.image.tolist() == [(scores[:, text] > scores[image, text]).sum() for text, image in enumerate(owner)]
