"""``--llm embed:MODEL``: sentence embeddings computed here (extra ``[local]``), and scores by their likeness.

MODEL is a folder, or the name of a sentence-transformers model that is on this machine already or can be fetched. A
score is a rank, as with lexical: the share of up to 1,000 item texts, drawn by keyed digest, that is less like the
profile than the item is, cut into ten. So it depends on the texts and the model alone, and a random item is about
uniform on 1..10 for every user. Profiles are written and revised by extraction, as lexical does it.

Vectors are kept in the cache of answers, so a text is encoded once on a machine, and a killed run goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call, Reply, key_of
from llmhd_tools.llm.codec import TEXT_CHARS, Vector, pack, unpack
from llmhd_tools.llm.local.lexical import (
    SAMPLE,
    Lexical,
    Liked,
    as_level,
    as_score,
    by_digest,
    cannot_appraise,
    together,
)
from llmhd_tools.llm.requests import (
    Answer,
    Appraise,
    ItemView,
    Request,
    Score,
    ScoreTogether,
    UserView,
    missing_text,
)
from llmhd_tools.llm.service.vectors import TEMPLATE, TEXTS
from llmhd_tools.llm.untrusted import clean

HOST = "local"  # what the cache names in the place of a service
PROBE = "The quick brown fox jumps over the lazy dog."  # its vector tells models of one name apart
CACHED_TEXTS = 65_536  # vectors of 384 numbers are 1.5 kB each
GRAIN = 1e-6  # likeness is counted in such steps


class Sentences:
    """A sentence-transformers model: a folder, or a name. Raises UsageError or InputError where it cannot be loaded."""

    def __init__(self, model: str, cache: str | None) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch loads; see train/__init__.py
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise UsageError(
                "`llm` embed:MODEL needs sentence-transformers: pip install 'llmhd-tools[local]'"
            ) from None
        try:
            self._model = SentenceTransformer(model)
        except Exception as error:  # whatever the hub, the folder or the weights may raise
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"cannot be loaded as a sentence-transformers model ({reason})", where=model) from None
        self.name = f"embed:{Path(model).name}"
        self._cache, self._new = Cache(cache), 0
        self._probe = pack(self._encode(PROBE))

    def encode(self, text: str) -> Vector:
        """The vector of a text, cleaned and cut to ``TEXT_CHARS``; its length is 1."""
        text = clean(text, TEXT_CHARS)
        body = {"model": self.name, "input": text, "probe": self._probe}
        call = Call(TEMPLATE, body, key_of(HOST, body))
        if (kept := self._cache.get(call.key)) is not None:
            return unpack(kept.text)
        vector = self._encode(text)
        self._cache.put(call, Reply(pack(vector)), HOST)
        self._new += 1
        if self._new % TEXTS == 0:
            self._cache.commit()
        return vector

    def _encode(self, text: str) -> Vector:
        # One text at a time: in a batch, a vector's last digits would depend on the other texts of the batch.
        vector = self._model.encode(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)

    def close(self) -> None:
        """Keep the last vectors too."""
        self._cache.close()


class SentenceVectors:
    """A TextProvider (see ``provider.py``)."""

    notice = None

    def __init__(self, model: str, cache: str | None = None) -> None:
        self._sentences = Sentences(model, cache)
        self.name, self.close = self._sentences.name, self._sentences.close

    def answer(self, requests: Iterable[str]) -> Iterator[Answer]:
        """The vector of each text."""
        for text in requests:
            blank = not clean(text, 1)
            yield Answer(error="the text is empty") if blank else Answer(pack(self._sentences.encode(text)))


class Embedder:
    """A Provider (see ``provider.py``) over the given item texts."""

    def __init__(self, model: str, item_texts: Sequence[str], cache: str | None = None) -> None:
        sentences = Sentences(model, cache)
        self.name, self.close = f"{sentences.name}/1", sentences.close  # the /1 names how likeness becomes a score
        self.notice = f"{self.name} compares sentence vectors and extracts sentences; it is not a language model"
        self._words = Lexical(item_texts)
        self._vector = lru_cache(CACHED_TEXTS)(sentences.encode)
        self._ranks = lru_cache(1024)(self._rank_liked)
        self._texts = item_texts
        self._drawn: npt.NDArray[np.float32] | None = None

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer each request at once, before the next one is taken."""
        for request in requests:
            missing = missing_text(request)
            if missing is not None:
                yield Answer(error=missing)
            elif isinstance(request, Score):
                yield Answer(as_score(*self._rank(request.profile, request.item)))
            elif isinstance(request, ScoreTogether):
                yield together([Answer(as_score(*self._rank(request.known, item))) for item in request.items])
            elif isinstance(request, Appraise):
                raise cannot_appraise("embed")
            elif isinstance(request, UserView):
                yield Answer(as_level(*self._rank(request.profile, request.item)))
            elif isinstance(request, ItemView):
                yield Answer(as_level(*self._rank(request.items, request.item)))
            else:
                yield from self._words.answer([request])

    def _rank(self, liked: Liked, item: str) -> tuple[int, int]:
        """How much of the sample is less like a profile, or the mean of items, than an item is: parts of a whole."""
        vector, ranks = self._ranks(liked)
        likeness = _in_grains(vector @ self._vector(item))
        below = int(np.searchsorted(ranks, likeness - GRAIN / 2, "left"))
        upto = int(np.searchsorted(ranks, likeness + GRAIN / 2, "right"))
        return below + upto, 2 * len(ranks)  # ties at their middle rank

    def _rank_liked(self, liked: Liked) -> tuple[Vector, npt.NDArray[np.float64]]:
        if self._drawn is None:
            drawn = [text for text in by_digest(self._texts) if clean(text, 1)][:SAMPLE]
            self._drawn = np.stack([self._vector(text) for text in drawn])
        vector = self._vector(liked) if isinstance(liked, str) else self._mean(liked)
        return vector, np.sort(_in_grains(self._drawn @ vector))

    def _mean(self, texts: Sequence[str]) -> Vector:
        total = np.sum([self._vector(text) for text in texts if clean(text, 1)], axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), GRAIN), dtype=np.float32)


def _in_grains(likeness: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Likeness in steps of ``GRAIN``."""
    return np.asarray(np.rint(np.asarray(likeness, dtype=np.float64) / GRAIN) * GRAIN)
