"""Vectors of texts without a model: TF-IDF projected to a dense width by a truncated SVD (latent semantic analysis).

All texts are weighed and projected together, so users and items share one space only if they come in one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from llmhd_tools.llm.lexical import NAME
from llmhd_tools.llm.provider import Answer
from llmhd_tools.llm.tfidf import Tfidf
from llmhd_tools.llm.untrusted import clean
from llmhd_tools.llm.vectors import TEXT_CHARS, pack

WIDTH = 64
GRAIN = 1e-5  # numbers are whole multiples of it: sums on more threads differ by 1e-13, and then in nothing
NOTICE = (
    "lexical turns words into vectors, not meaning: no language model, and one space for the texts of one call only"
)


class LexicalVectors:
    """A TextProvider (see ``provider.py``)."""

    name = NAME
    notice = NOTICE

    def __init__(self, width: int | None = None) -> None:
        self._width = width or WIDTH

    def answer(self, requests: Iterable[str]) -> Iterator[Answer]:
        """The vectors of all texts, which are taken before the first is given; their length is 1.

        A text without a word of two letters has none. Where there are fewer texts or words than ``width``, the last
        numbers are zero.
        """
        texts = [clean(text, TEXT_CHARS) for text in requests]
        space = Tfidf(texts)
        rows = [space.vector(text) for text in texts]
        ends = np.cumsum([0, *map(len, rows)])
        terms = [term for row in rows for term in row]
        weights = [weight for row in rows for weight in row.values()]
        matrix = sparse.csr_matrix((weights, terms, ends), shape=(len(rows), len(space)))
        dense = project(matrix, self._width).astype(np.float32)
        for row, vector in zip(rows, dense, strict=True):
            yield Answer(pack(vector)) if row else Answer(error="the text has no word to compare")


def project(matrix: sparse.csr_matrix, width: int) -> npt.NDArray[np.float64]:
    """The rows on the ``width`` strongest right singular vectors, (rows, width), at length 1; strongest first."""
    dense = np.zeros((matrix.shape[0], width))
    rank = min(width, min(matrix.shape) - 1)  # what ARPACK can give
    if rank < 1:
        dense[:, :1] = matrix.sum(1)
    else:
        start = np.random.default_rng(0).standard_normal(min(matrix.shape))  # ARPACK's own start would differ each time
        _, strength, right = svds(matrix, k=rank, v0=start)
        right = right[np.argsort(-strength)]
        right *= np.sign(right[np.arange(rank), np.abs(right).argmax(1)])[:, None]  # a singular vector has two signs
        dense[:, :rank] = matrix @ right.T
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    return np.asarray(np.rint(dense / np.where(length > 0, length, 1) / GRAIN) * GRAIN)
