"""The embedded provider: answers by overlap of words. Deterministic, no download, no network, and no language model.

A score is a rank: the share of a fixed sample of the item texts that is less like the profile than the item is, cut
into ten. A random item is therefore about uniform on 1..10 for every user, and a score depends on the profile, the item
and the collection of item texts alone: not on any order, nor on the process. A level of relevance (``relate``) is the
same rank cut into three; for the item view the profile's place is taken by the mean of the items. Texts are written by
extraction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmhd_tools.errors import UsageError
from llmhd_tools.llm.answers import MAX_WORDS
from llmhd_tools.llm.local.extract import extended, summarise, without
from llmhd_tools.llm.local.tfidf import BILLION, Tfidf, Vector, centroid, closeness
from llmhd_tools.llm.requests import (
    LEVELS,
    Answer,
    Appraise,
    ItemView,
    Request,
    Revise,
    Score,
    ScoreTogether,
    Summarize,
    UserView,
    missing_text,
)

NAME = "lexical/1"
NOTICE = "lexical is a word-overlap stand-in, not a language model: its scores say which words texts share, not more"
SAMPLE = 1000
CACHED_PROFILES = 1024

Liked = str | tuple[str, ...]  # a profile, or items in its place


class Lexical:
    """A Provider (see ``provider.py``) over the given item texts, which it learns the weight of words from."""

    name = NAME
    notice = NOTICE

    def __init__(self, item_texts: Sequence[str]) -> None:
        self._space = Tfidf(item_texts)
        self._sample = self._draw(item_texts)
        self._known = lru_cache(CACHED_PROFILES)(self._rank_liked)

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer each request at once, before the next one is taken."""
        for request in requests:
            missing = missing_text(request)
            if missing is not None:
                yield Answer(error=missing)
            elif isinstance(request, Score):
                yield self._ranked(request.profile, request.item, as_score)
            elif isinstance(request, ScoreTogether):
                yield together([self._ranked(request.known, item, as_score) for item in request.items])
            elif isinstance(request, Appraise):
                raise cannot_appraise("lexical")
            elif isinstance(request, UserView):
                yield self._ranked(request.profile, request.item, as_level)
            elif isinstance(request, ItemView):
                yield self._ranked(request.items, request.item, as_level)
            elif isinstance(request, Summarize):
                yield self._summary(request)
            else:
                yield Answer(self._revised(request))

    def _ranked(self, liked: Liked, item_text: str, mapped: Callable[[int, int], int | str]) -> Answer:
        """The answer that the item's rank among the sample is ``mapped`` to."""
        profile, ranks = self._known(liked)
        item = self._space.vector(item_text)
        if not profile or not item:
            what = "item" if profile else "profile" if isinstance(liked, str) else "liked items"
            return Answer(error=f"no word of the {what} occurs in the item texts")
        likeness = closeness(profile, item)
        below = int(np.searchsorted(ranks, likeness, "left"))
        upto = int(np.searchsorted(ranks, likeness, "right"))
        return Answer(mapped(below + upto, 2 * len(ranks)))  # ties at their middle rank

    def _summary(self, request: Summarize) -> Answer:
        chosen = summarise(request.items, self._space, MAX_WORDS)
        return Answer(" ".join(chosen)) if chosen else Answer(error="no word of the items occurs in the item texts")

    def _revised(self, request: Revise) -> str:
        if request.kind == "false-positive":
            return without(request.profile, request.items, self._space)
        return extended(request.profile, request.items, self._space, MAX_WORDS)

    def _rank_liked(self, liked: Liked) -> tuple[Vector, npt.NDArray[np.int64]]:
        """The vector of a profile, or the mean of items, and its closeness to each sampled item in ascending order."""
        vector = self._space.vector(liked) if isinstance(liked, str) else centroid(map(self._space.vector, liked))
        dense = np.zeros(len(self._space))
        dense[list(vector)] = list(vector.values())
        return vector, np.sort(np.rint(self._sample @ dense * BILLION).astype(np.int64))

    def _draw(self, item_texts: Sequence[str]) -> sparse.csr_matrix:
        """Up to ``SAMPLE`` texts, drawn by keyed digest: the same ones for any order of the corpus and any numpy."""
        drawn = map(self._space.vector, by_digest(item_texts))
        return self._space.matrix(list(islice(filter(None, drawn), SAMPLE)))


def cannot_appraise(llm: str) -> UsageError:
    """What is told where something that compares texts is asked how items were liked."""
    return UsageError(
        f"`llm` {llm} compares texts and knows nothing of how items were liked; ask openai:MODEL, or take a `column` of yours"
    )


def together(answers: Sequence[Answer]) -> Answer:
    """Answers about one item each as the answer about all of them."""
    scores = tuple(float(a.value) if isinstance(a.value, int | float) else None for a in answers)
    errors = [answer.error for answer in answers if answer.error is not None]
    return (
        Answer(error=errors[0]) if len(errors) == len(answers) else Answer(scores, lacks=errors[0] if errors else None)
    )


def as_score(part: int, whole: int) -> int:
    """A rank, so many parts of a whole, as one of ten scores."""
    return min(10, 1 + 10 * part // whole)


def as_level(part: int, whole: int) -> str:
    """A rank as one of three levels."""
    return LEVELS[min(2, 3 * part // whole)]


def by_digest(texts: Iterable[str]) -> list[str]:
    """The texts in an order that looks random and depends on the texts alone."""
    return sorted(texts, key=_digest)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=NAME.encode()).digest()
