"""Vectors of texts without a model: TF-IDF projected to a dense width by a truncated SVD (latent semantic analysis).

All texts are weighed and projected together, so users and items share one space only if they come in one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmhd_tools.llm.codec import TEXT_CHARS, pack
from llmhd_tools.llm.local.lexical import NAME
from llmhd_tools.llm.local.tfidf import Tfidf
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.untrusted import clean

WIDTH = 64
ROUNDS, SURPLUS = 10, 10  # of the iteration; more of them change AUC of relevance in the fourth digit
GRAIN = 1e-5  # numbers are whole multiples of it: sums on more threads differ by 1e-13, and then in nothing
NOTICE = "lexical is a word-overlap stand-in, not a language model: its vectors say which words this call's texts share"


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
        dense = project(space.matrix(rows), self._width).astype(np.float32)
        for row, vector in zip(rows, dense, strict=True):
            yield Answer(pack(vector)) if row else Answer(error="the text has no word to compare")


def project(matrix: sparse.csr_matrix, width: int) -> npt.NDArray[np.float64]:
    """The rows on the ``width`` strongest right singular vectors, (rows, width), at length 1; strongest first.

    By subspace iteration from a fixed start (Halko, Martinsson, Tropp 2011, algorithm 4.4), so that it is the same for
    the same rows; ARPACK would take other turns each time where singular values are equal.
    """
    dense = np.zeros((matrix.shape[0], width))
    rank = min(width, *matrix.shape)
    if rank:
        rng = np.random.default_rng(0)
        basis = rng.standard_normal((matrix.shape[1], min(rank + SURPLUS, matrix.shape[1])))
        for _ in range(ROUNDS):
            basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
        right = np.linalg.svd(matrix @ basis, full_matrices=False)[2][:rank] @ basis.T
        right *= np.sign(right[np.arange(rank), np.abs(right).argmax(1)])[:, None]  # a singular vector has two signs
        dense[:, :rank] = matrix @ right.T
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    return np.asarray(np.rint(dense / np.where(length > 0, length, 1) / GRAIN) * GRAIN)
