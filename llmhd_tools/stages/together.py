"""Several texts in one question: which go together, in what order, and what their places do to the scores.

The order is that of a digest, so it says nothing of the texts and depends on them alone. What a model gives to a place
rather than to a text then shows as a correlation of place and score, which chance makes small.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

KEY = b"llmhd together/1"


def by_digest(texts: Sequence[str], sample: int = 0) -> list[int]:
    """The places of some texts in an order that looks random: the same for the same texts and ``sample``."""

    def digest(place: int) -> bytes:
        data = f"{sample} {texts[place]}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16, key=KEY).digest()

    return sorted(range(len(texts)), key=digest)


def groups(texts: Sequence[str], most: int, sample: int = 0) -> Iterator[list[int]]:
    """The places of some texts in groups of at most ``most``, all about as large, in the order of their digests."""
    order = by_digest(texts, sample)
    parts = -(-len(order) // most)
    for start, end in itertools.pairwise(len(order) * part // parts for part in range(parts + 1)):
        yield order[start:end]


class Places:
    """How scores go with the place in the question, over many questions."""

    def __init__(self) -> None:
        self._sums = np.zeros(
            3
        )  # of squares of places, of scores, and of their products, each about the question's mean
        self._free = 0

    def add(self, scores: Sequence[float | None]) -> None:
        """Count the scores of one question, in the order in which it showed them."""
        known = [(place, score) for place, score in enumerate(scores) if score is not None]
        if len(known) < 2:
            return
        place, score = (np.array(side, dtype=np.float64) for side in zip(*known, strict=True))
        place, score = (place - place.mean()) / len(scores), score - score.mean()
        self._sums += place @ place, score @ score, place @ score
        self._free += len(known) - 1

    def __str__(self) -> str:
        """The correlation and its standard error, as the end of a sentence; empty where there is none."""
        places, scores, both = self._sums
        if not places * scores or self._free < 3:
            return ""
        r = both / np.sqrt(places * scores)
        return f"; place in the call against score: r {r:+.3f} ± {np.sqrt((1 - r * r) / (self._free - 1)):.3f}"
