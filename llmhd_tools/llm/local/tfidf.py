"""Words as vectors: a small TF-IDF, the same to the last digit in any process and for any order of the corpus.

Closeness is a cosine counted in whole billionths. So rounding differences between one way of adding up and another
(a sparse product here, a sum there) vanish, ties are real ties, and what is built on it is integer arithmetic.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from scipy import sparse

BILLION = 1_000_000_000
CACHED_TEXTS = 32_768  # sentences and items, about 1 kB each

_WORD = re.compile(r"\w\w+")
_STOP_WORDS = """
about above after again all also although always am among an and another any anyone are as at be because been
before being below between both but by can could did do does doing down during each either else every few for from
further had has have having he her here hers him his how however if in into is it its itself just may me might more
most much must my no nor not of off often on once only onto or other others our out over own perhaps rather same she
should so some such than that the their them then there these they this those though through to too under until up
upon very was we well were what when where whether which while who whom whose why will with within without would
you your yours re ve ll don doesn isn aren won
"""
_STOP = frozenset(_STOP_WORDS.split())

Vector = dict[int, float]  # term number -> weight, of length 1; empty when the text has no known word


def words(text: str) -> list[str]:
    """Lower-case words of two letters and more, stop words left out."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP]


def closeness(a: Vector, b: Vector) -> int:
    """Cosine of two vectors in billionths, 0 when one of them is empty."""
    shared = a.keys() & b.keys()  # in no order: fsum gives the same sum for any
    return round(math.fsum([a[term] * b[term] for term in shared]) * BILLION)


def centroid(vectors: Iterable[Vector]) -> Vector:
    """The mean direction of some vectors."""
    total: Vector = {}
    for vector in vectors:
        for term, weight in vector.items():
            total[term] = total.get(term, 0.0) + weight
    return _unit(total)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(math.fsum(weight * weight for weight in vector.values()))
    return {term: weight / length for term, weight in vector.items()}


class Tfidf:
    """Sublinear term counts (1 + ln n), smooth idf (ln((1 + N) / (1 + df)) + 1), rows of length 1.

    N counts the fitted texts that have a word at all.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        seen: Counter[str] = Counter()
        documents = 0
        for text in texts:
            distinct = list(dict.fromkeys(words(text)))
            documents += bool(distinct)
            seen.update(distinct)
        vocabulary = sorted(seen)
        self._term = {word: number for number, word in enumerate(vocabulary)}
        self._idf = [math.log((1 + documents) / (1 + seen[word])) + 1 for word in vocabulary]
        self.vector = lru_cache(CACHED_TEXTS)(self._vector)

    def __len__(self) -> int:
        return len(self._idf)

    def _vector(self, text: str) -> Vector:
        counts = Counter(self._term[word] for word in words(text) if word in self._term)
        return _unit({term: (1 + math.log(counts[term])) * self._idf[term] for term in sorted(counts)})

    def matrix(self, rows: Sequence[Vector]) -> sparse.csr_matrix:
        """Vectors of this space as rows, (rows, terms)."""
        ends = np.cumsum([0, *map(len, rows)])
        terms = [term for row in rows for term in row]
        weights = [weight for row in rows for weight in row.values()]
        return sparse.csr_matrix((weights, terms, ends), shape=(len(rows), len(self)))
