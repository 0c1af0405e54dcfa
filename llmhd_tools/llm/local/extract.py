"""Writing without a language model: sentences are chosen, dropped and appended, never made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from llmhd_tools.llm.local.tfidf import Tfidf, Vector, centroid, closeness

_WIDE_END = re.compile("[。！？]")  # ends a sentence without a space
_TITLES = "".join(rf"(?<!\b{title}\.\s)" for title in ("Mr", "Ms", "Mrs", "Dr", "St", "Jr", "vs"))
_BREAK = re.compile(rf"\s(?:(?<=[.!?。！？]\s)|(?<=[.!?][\"'”’)]\s)){_TITLES}|\n")


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, each once, their white space collapsed."""
    pieces = (" ".join(piece.split()) for piece in _BREAK.split(_WIDE_END.sub(r"\g<0> ", text)))
    return list(dict.fromkeys(piece for piece in pieces if piece))


def count_words(texts: Iterable[str]) -> int:
    """Words, as white space parts them, in all the texts together."""
    return sum(len(text.split()) for text in texts)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` words of a text, with a visible mark where it was cut."""
    parts = text.split()
    return " ".join(parts) if len(parts) <= limit else " ".join(parts[:limit]) + "…"


def summarise(items: Sequence[str], space: Tfidf, limit: int) -> list[str]:
    """The sentences that say most of what the items share, the most central one first.

    Greedy maximal marginal relevance (Carbonell and Goldstein 1998) at 0.7: closeness to the centroid of the items'
    common words counts 7, closeness to what is already chosen counts against at 3, until nothing of worth fits into
    ``limit`` words. The order of the items does not matter; equal sentences go by the alphabet. Empty when the items
    hold no known word.
    """
    items = sorted(set(items))
    goal = _common(items, space)
    found = sorted({sentence for item in items for sentence in sentences(item)})
    central = {sentence: closeness(space.vector(sentence), goal) for sentence in found}
    return _pick({sentence: worth for sentence, worth in central.items() if worth > 0}, space, limit)


def _common(items: Sequence[str], space: Tfidf) -> Vector:
    """The centroid of the items over the words that two of them share (titles and names seldom are), or over all."""
    vectors = [space.vector(item) for item in items]
    carriers = Counter(term for vector in vectors for term in vector)
    shared = [{term: weight for term, weight in vector.items() if carriers[term] > 1} for vector in vectors]
    return centroid(shared if any(shared) else vectors)


def _pick(central: dict[str, int], space: Tfidf, limit: int) -> list[str]:
    chosen: list[str] = []
    repeats = dict.fromkeys(central, 0)  # closeness to the nearest chosen sentence
    sizes = {sentence: count_words([sentence]) for sentence in central}
    room = limit
    while True:
        worth = {s: 7 * central[s] - 3 * repeats[s] for s in repeats if sizes[s] <= room}
        best = max(worth, key=worth.__getitem__, default=None)
        if best is None or worth[best] <= 0:
            break
        chosen.append(best)
        room -= sizes[best]
        del repeats[best]
        for other in repeats:
            repeats[other] = max(repeats[other], closeness(space.vector(other), space.vector(best)))
    if not chosen and central:
        return [cut(max(central, key=central.__getitem__), limit)]
    return chosen


def without(profile: str, items: Sequence[str], space: Tfidf) -> str:
    """The profile less, for each disliked item, the sentence most like it (T_FP, Figure 7, by omission).

    One sentence stays in any case: the one least like the items. A profile of one sentence, or one that shares no word
    with the items, comes back as it is.
    """
    lines = sentences(profile)
    vectors = [space.vector(line) for line in lines]
    marked: dict[int, None] = {}
    for item in items:
        alike = [closeness(vector, space.vector(item)) for vector in vectors]
        if max(alike) > 0:
            marked[alike.index(max(alike))] = None
    if len(marked) == len(lines):
        worst = [max(closeness(vector, space.vector(item)) for item in items) for vector in vectors]
        del marked[worst.index(min(worst))]
    return " ".join(line for number, line in enumerate(lines) if number not in marked) if marked else profile


def extended(profile: str, items: Sequence[str], space: Tfidf, limit: int) -> str:
    """The profile and, at its end, the most central sentence of the liked items (T_FN, Figure 8, by quotation).

    A sentence that the profile holds already is passed over; when there is no other, the profile comes back as it is.
    To stay within ``limit`` words, the old sentence least like the rest goes first, among equals the oldest.
    """
    kept = sentences(profile)
    items = sorted(set(items))
    goal = _common(items, space)
    fresh = sorted({cut(s, limit) for item in items for s in sentences(item)} - set(kept))
    central = [closeness(space.vector(sentence), goal) for sentence in fresh]
    if max(central, default=0) == 0:
        return profile
    new = fresh[central.index(max(central))]
    while kept and count_words([*kept, new]) > limit:
        kept.pop(_stranger([*kept, new], space))
    return " ".join([*kept, new])


def _stranger(lines: list[str], space: Tfidf) -> int:
    """Which of all lines but the last is least like all of them together."""
    vectors: list[Vector] = [space.vector(line) for line in lines]
    middle = centroid(vectors)
    alike = [closeness(vector, middle) for vector in vectors[:-1]]
    return alike.index(min(alike))
