"""Retrieval: trec_eval's measures as BEIR reports them, and image-text recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Qrels = Mapping[str, Mapping[str, int]]
"""By query, how relevant each judged document is; above 0 it is."""

Results = Mapping[str, Mapping[str, float]]
"""By query, the score of each document that was found."""


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Best first; equal scores by the document's id, last first, as trec_eval has it, whose scores are in single precision."""
    single = {id: float(np.float32(score)) for id, score in scores.items()}
    return sorted(single, key=lambda id: (single[id], id), reverse=True)


def ndcg(order: Sequence[str], relevance: Mapping[str, int], cut: int | None = None) -> float:
    """Gains are the relevance itself, discounted by log2(rank + 1), over those of the ideal order of all judged documents."""
    ideal = _gain(sorted((grade for grade in relevance.values() if grade > 0), reverse=True)[:cut])
    return _gain([max(0, relevance.get(id, 0)) for id in order[:cut]]) / ideal if ideal else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def average_precision(order: Sequence[str], relevance: Mapping[str, int], cut: int | None = None) -> float:
    """Precision at each relevant document found, over all relevant ones."""
    found, total = 0, 0.0
    for rank, id in enumerate(order[:cut], 1):
        if relevance.get(id, 0) > 0:
            found += 1
            total += found / rank
    wanted = _relevant(relevance)
    return total / wanted if wanted else 0.0


def recall(order: Sequence[str], relevance: Mapping[str, int], cut: int) -> float:
    """The share of the relevant documents within the cut."""
    wanted = _relevant(relevance)
    return _hits(order[:cut], relevance) / wanted if wanted else 0.0


def precision(order: Sequence[str], relevance: Mapping[str, int], cut: int) -> float:
    """Relevant documents within the cut, over the cut."""
    return _hits(order[:cut], relevance) / cut


def reciprocal_rank(order: Sequence[str], relevance: Mapping[str, int], cut: int | None = None) -> float:
    """Of the first relevant document."""
    return next((1 / rank for rank, id in enumerate(order[:cut], 1) if relevance.get(id, 0) > 0), 0.0)


def _relevant(relevance: Mapping[str, int]) -> int:
    return sum(grade > 0 for grade in relevance.values())


def _hits(order: Sequence[str], relevance: Mapping[str, int]) -> int:
    return sum(relevance.get(id, 0) > 0 for id in order)


def per_query(qrels: Qrels, results: Results, cuts: Sequence[int]) -> dict[str, dict[str, float]]:
    """trec_eval's measures by their own names, of each query that has judgements and results."""
    out = {}
    for query, scores in results.items():
        if query not in qrels:
            continue
        order, relevance = ranked(scores), qrels[query]
        out[query] = {
            "map": average_precision(order, relevance),
            "recip_rank": reciprocal_rank(order, relevance),
            "ndcg": ndcg(order, relevance),
            **{f"ndcg_cut_{cut}": ndcg(order, relevance, cut) for cut in cuts},
            **{f"map_cut_{cut}": average_precision(order, relevance, cut) for cut in cuts},
            **{f"recall_{cut}": recall(order, relevance, cut) for cut in cuts},
            **{f"P_{cut}": precision(order, relevance, cut) for cut in cuts},
        }
    return out


_BEIR = {"ndcg": ("NDCG", "ndcg_cut_"), "map": ("MAP", "map_cut_"), "recall": ("Recall", "recall_"), "precision": ("P", "P_")}
DIGITS = 5


def beir(qrels: Qrels, results: Results, cuts: Sequence[int]) -> dict[str, dict[str, float]]:
    """Means over the queries that have results, to five decimals. A document whose id is its query's is left out; MRR keeps the
    order of equal scores as it came, and is a mean over all judged queries."""
    others = {query: {id: score for id, score in scores.items() if id != query} for query, scores in results.items()}
    each = list(per_query(qrels, others, cuts).values())
    out = {
        kind: {f"{name}@{cut}": round(sum(one[own + str(cut)] for one in each) / len(each), DIGITS) for cut in cuts}
        for kind, (name, own) in _BEIR.items()
    }
    orders = {query: sorted(scores, key=lambda id: -scores[id])[: max(cuts)] for query, scores in others.items()}
    out["mrr"] = {
        f"MRR@{cut}": round(
            sum(reciprocal_rank(order, qrels[query], cut) for query, order in orders.items() if query in qrels) / len(qrels),
            DIGITS,
        )
        for cut in cuts
    }
    return out


@dataclass(frozen=True)
class Ranks:
    """Where the right one stands, 0 first: of each picture's best caption, and of each caption's picture."""

    text: np.ndarray
    image: np.ndarray


def image_text_ranks(scores_IT: np.ndarray, image_of: Sequence[int]) -> Ranks:
    """As BLIP's `itm_eval` ranks: equal scores go to the later one. scores_IT: of every image with every text; image_of: each
    text's image."""
    scores, owner = np.asarray(scores_IT), np.asarray(image_of)
    images = np.arange(len(scores))
    return Ranks(_first(scores, owner, images), _first(scores.T, images, owner))


_AT_ONCE = 1 << 22
"""Scores that are sorted at once."""


def _first(scores_QD: np.ndarray, kind_D: np.ndarray, wanted_Q: np.ndarray) -> np.ndarray:
    """Of each row of scores, the place of the first of a kind, the highest score at place 0."""
    rows = max(1, _AT_ONCE // max(1, scores_QD.shape[1]))
    return np.concatenate(
        [
            (kind_D[scores_QD[start : start + rows].argsort(1)[:, ::-1]] == wanted_Q[start : start + rows, None]).argmax(1)
            for start in range(0, len(scores_QD), rows)
        ]
    )


@dataclass(frozen=True)
class ImageText:
    """Percentages of images whose caption, and of captions whose image, is among the first 1, 5 and 10."""

    text: tuple[float, ...]
    image: tuple[float, ...]


def image_text(scores_IT: np.ndarray, image_of: Sequence[int]) -> ImageText:
    """Recall at 1, 5 and 10 as `itm_eval` counts it: an image is found by the best of its captions."""
    ranks = image_text_ranks(scores_IT, image_of)
    text, image = (tuple(100.0 * int((one < cut).sum()) / len(one) for cut in (1, 5, 10)) for one in (ranks.text, ranks.image))
    return ImageText(text, image)
