"""``--llm embed:MODEL``: scores by the likeness of sentence embeddings, computed here (extra ``[local]``).

MODEL is a folder, or the name of a sentence-transformers model that is on this machine already or can be fetched. A
score is a rank, as with lexical: the share of up to 1,000 item texts, drawn by keyed digest, that is less like the
profile than the item is, cut into ten. So it depends on the texts and the model alone, and a random item is about
uniform on 1..10 for every user. Profiles are written and revised by extraction, as lexical does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.llm.lexical import SAMPLE, Lexical, by_digest
from llmhd_tools.llm.provider import Answer, Request, Score, missing_text
from llmhd_tools.llm.untrusted import clean

CACHED_TEXTS = 65_536  # vectors of 384 numbers are 1.5 kB each
MAX_CHARS = 4_000
GRAIN = 1e-6  # likeness is counted in such steps

Vector = npt.NDArray[np.float32]


class Embedder:
    """A Provider (see ``provider.py``) over the given item texts."""

    def __init__(self, model: str, item_texts: Sequence[str]) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise UsageError(
                "--llm embed:MODEL needs sentence-transformers: pip install 'llmhd-tools[local]'"
            ) from None
        try:
            self._model = SentenceTransformer(model)
        except Exception as error:  # whatever the hub, the folder or the weights may raise
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"cannot be loaded as a sentence-transformers model ({reason})", where=model) from None
        self.name = f"embed:{Path(model).name}/1"
        self.notice = f"{self.name} compares sentence vectors and extracts sentences; it is not a language model"
        self._words = Lexical(item_texts)
        self._vector = lru_cache(CACHED_TEXTS)(self._encode)
        self._ranks = lru_cache(1024)(self._rank_profile)
        self._texts = item_texts
        self._drawn: npt.NDArray[np.float32] | None = None

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer each request at once, before the next one is taken."""
        for request in requests:
            missing = missing_text(request)
            if missing is not None:
                yield Answer(error=missing)
            elif isinstance(request, Score):
                yield self._score(request)
            else:
                yield from self._words.answer([request])

    def likeness(self, profile: str, item: str) -> float:
        """Cosine of two texts, in steps of ``GRAIN``."""
        return float(np.rint(float(self._vector(profile) @ self._vector(item)) / GRAIN) * GRAIN)

    def _score(self, request: Score) -> Answer:
        ranks = self._ranks(request.profile)
        likeness = self.likeness(request.profile, request.item)
        below = int(np.searchsorted(ranks, likeness - GRAIN / 2, "left"))
        upto = int(np.searchsorted(ranks, likeness + GRAIN / 2, "right"))
        return Answer(min(10, 1 + 10 * (below + upto) // (2 * len(ranks))))  # ties at their middle rank

    def _rank_profile(self, profile: str) -> npt.NDArray[np.float64]:
        if self._drawn is None:
            drawn = [text for text in by_digest(self._texts) if clean(text, 1)][:SAMPLE]
            self._drawn = np.stack([self._vector(text) for text in drawn])
        return np.sort(np.rint((self._drawn @ self._vector(profile)).astype(np.float64) / GRAIN) * GRAIN)

    def _encode(self, text: str) -> Vector:
        # One text at a time: in a batch, a vector's last digits would depend on the other texts of the batch.
        vector = self._model.encode(clean(text, MAX_CHARS), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)
