"""Runs of benchmarks that are compared: a vector, or several, for every text and picture, kept as they come, then the ranks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from chiasm.assistant import Assistant
from chiasm.errors import Unsupported, UserError
from chiasm.evaluate.benchmarks.compared import BEST, Comparison, Field, Query, answer
from chiasm.evaluate.benchmarks.task import Item, pictures_digest
from chiasm.evaluate.runs.runner import digest, sampled
from chiasm.evaluate.runs.setting import Variant
from chiasm.evaluate.runs.store import Sample, Store, writing
from chiasm.weights.write import replacing

if TYPE_CHECKING:
    from torch import Tensor

VECTORS, ASKED = "vectors", "as it is"
AT_ONCE = 256
"""So many queries are compared and written down together."""


@dataclass(frozen=True)
class Vector:
    """Of one text or picture: [width] or [vectors, width]; or why there is none."""

    numbers: np.ndarray
    why: str = ""


def variant(field: Field, folder: Path) -> Variant:
    """The queries as the questions of a run."""
    return Variant(ASKED, tuple(query.item for query in field.queries), folder)


def about(field: Field) -> Mapping[str, Any]:
    """What a manifest says of all that queries are compared with."""
    shown = [pictures_digest(Item("", (picture,), {}, {})) for picture in field.pictures]
    return {"compared": {"texts": len(field.texts), "pictures": len(field.pictures), "hash": digest([field.texts, shown])}}


def run(
    assistant: Assistant, comparison: Comparison, field: Field, store: Store, said: Mapping[str, Any], batch: int, folder: Path
) -> None:
    """Makes whatever vectors are not made yet, then writes down where what belongs to each query stands. A run that was stopped
    at any point goes on with the vectors that it has. Raises `Unsupported` where the model makes none."""
    if "embed" not in assistant.capabilities:
        raise Unsupported("embed", assistant.name)
    done = store.begin(said)
    prompts = [prompt for wordings in field.texts for prompt in wordings]
    with tqdm(total=len(prompts) + len(field.pictures), desc=f"{assistant.name} vectors", unit="item", disable=None) as bar:
        words = list(_vectors(assistant, store.folder / VECTORS, "texts", prompts, batch, bar))
        pictures = [picture.picture for picture in field.pictures]
        seen = list(_vectors(assistant, store.folder / VECTORS, "pictures", pictures, batch, bar))
    texts = _ensembles(field, words)
    left = [query for query in field.queries if _sample(query, folder).key not in done]
    for side in ("pictures", "texts"):
        for some in _several((query for query in left if query.side == side), AT_ONCE):
            begun = time.perf_counter()
            store.add(_answered(comparison, field, some, texts, seen, folder), time.perf_counter() - begun)


def _several(items: Iterable[Any], many: int) -> Iterator[list[Any]]:
    left = iter(items)
    while some := list(islice(left, many)):
        yield some


def _sample(query: Query, folder: Path) -> Sample:
    return sampled(query.item, query.item, "picture", Variant(ASKED, (), folder), 0)


def _vectors(
    assistant: Assistant, folder: Path, kind: str, items: Sequence[object], batch: int, bar: tqdm[Any]
) -> Iterator[Vector]:
    for number, some in enumerate(_several(items, batch)):
        file = folder / f"{kind}-{number * batch:07d}-{len(some)}.npz"
        if not file.is_file():
            made = _embedded(assistant, some)
            with writing(file):
                _keep(file, made)
        yield from _kept(file, len(some))
        bar.update(len(some))


def _embedded(assistant: Assistant, items: Sequence[object]) -> list[Vector]:
    """What cannot be opened fails alone, with its reason."""
    try:
        return [Vector(one.detach().float().cpu().numpy()) for one in assistant.embed(items)]
    except Unsupported:
        raise
    except UserError as e:
        if len(items) == 1:
            return [Vector(np.zeros(0, np.float32), " ".join(str(e).split()))]
        return [vector for item in items for vector in _embedded(assistant, [item])]


def _keep(file: Path, vectors: Sequence[Vector]) -> None:
    arrays = {str(number): vector.numbers for number, vector in enumerate(vectors)}
    with replacing(file) as part, part.open("wb") as opened:
        np.savez(opened, why=np.array([vector.why for vector in vectors]), **arrays)  # type: ignore[arg-type]


def _kept(file: Path, many: int) -> Iterator[Vector]:
    with np.load(file, allow_pickle=False) as read:
        for number in range(many):
            yield Vector(read[str(number)], str(read["why"][number]))


def _ensembles(field: Field, words: Sequence[Vector]) -> list[Vector]:
    """The mean of each text's wordings, at length one again."""
    out, given = [], iter(words)
    for wordings in field.texts:
        several = [next(given) for _ in wordings]
        broken = next((vector for vector in several if vector.why), None)
        if broken is not None or len(several) == 1:
            out.append(broken or several[0])
            continue
        if several[0].numbers.ndim > 1:
            raise UserError(f"{several[0].numbers.shape[0]} vectors a text have no mean: classes in several templates need one")
        middle = np.mean([vector.numbers for vector in several], axis=0)
        out.append(Vector(middle / max(float(np.linalg.norm(middle)), 1e-12)))
    return out


def _answered(
    comparison: Comparison,
    field: Field,
    queries: Sequence[Query],
    texts: Sequence[Vector],
    seen: Sequence[Vector],
    folder: Path,
) -> list[Sample]:
    asks = queries[0].side
    own, others = (texts, seen) if asks == "texts" else (seen, texts)
    names = field.picture_names if asks == "texts" else field.text_names
    shown = [own[query.number] for query in queries]
    whole = [vector for vector in shown if not vector.why]
    rows = iter(_alike(whole, others, asks) if whole else ())
    finished = []
    for query, vector in zip(queries, shown, strict=True):
        sample = _sample(query, folder)
        why = vector.why or next((others[one].why for one in query.right if others[one].why), "")
        found = np.zeros(0) if vector.why else next(rows)
        if why:
            finished.append(replace(sample, error=why))
            continue
        order = list(comparison.order(found, names))
        right = set(query.right)
        rank = 1 + next(place for place, one in enumerate(order) if one in right)
        told = answer(rank, [names[one] for one in order[:BEST]])
        finished.append(replace(sample, answer=told, parsed=rank, score=float(rank == 1), finish_reason="compared"))
    return finished


def _alike(own: Sequence[Vector], others: Sequence[Vector], asks: str) -> np.ndarray:
    """[own, others]: cosines, of several vectors the best for each of a text's, added up; what has no vector is never near."""
    there = [number for number, vector in enumerate(others) if not vector.why]
    out = np.full((len(own), len(others)), -np.inf, np.float32)
    if not there:
        return out
    mine, theirs = [vector.numbers for vector in own], [others[number].numbers for number in there]
    if mine[0].ndim == theirs[0].ndim == 1:
        out[:, there] = np.stack(mine) @ np.stack(theirs).T
    else:
        texts, pictures = (mine, theirs) if asks == "texts" else (theirs, mine)
        found = _late(texts, pictures)
        out[:, there] = found if asks == "texts" else found.T
    return out


def _late(texts: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> np.ndarray:
    import torch

    from chiasm.heads.multivector import late_interaction

    def sets(side: Sequence[np.ndarray]) -> list[Tensor]:
        return [torch.from_numpy(np.atleast_2d(one)) for one in side]

    return late_interaction(sets(texts), sets(pictures)).numpy()
