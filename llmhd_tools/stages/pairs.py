"""Pairs of a user and an item to questions about them, one by one or several together, and back to a score for each."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from llmhd_tools.llm.requests import Answer, Provider, Score, ScoreTogether, is_blank
from llmhd_tools.settings import Scoring
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.together import Places, by_digest, groups


class Pair(NamedTuple):
    """The user's code, the names of user and item, the user's profile, and the item's text."""

    user: int
    name: str
    item: str
    profile: str
    text: str


class Scored(NamedTuple):
    """The mean score over the answers, their deviation and the mean ``p_mass`` (NaN where there is none), or an error."""

    score: float
    spread: float
    p_mass: float
    error: str | None


class History:
    """The texts of the users' own items, of which a question shows some in the place of a profile."""

    def __init__(self, train: Dataset, items: Mapping[str, str], shown: int) -> None:
        self._shown = shown
        self._texts = [items.get(str(name), "") for name in train.items.names]
        self._names = [str(name) for name in train.items.names]
        self._code = {str(name): code for code, name in enumerate(train.users.names)}
        order = np.argsort(train.graph.user, kind="stable")
        self._item = train.graph.item[order]
        self._start = np.searchsorted(train.graph.user[order], np.arange(len(train.users) + 1))
        self._rank = np.empty(len(self._names), dtype=np.int64)
        self._rank[by_digest(self._names)] = np.arange(len(self._names))

    def __contains__(self, user: str) -> bool:
        return user in self._code

    def without(self, user: str, judged: set[str]) -> tuple[str, ...]:
        """Texts of items of the user's that are not judged, in the order of a digest of their ids; at most as many as shown."""
        code = self._code[user]
        own = self._item[self._start[code] : self._start[code + 1]]
        found = []
        for item in own[np.argsort(self._rank[own])].tolist():
            if self._names[item] not in judged and not is_blank(self._texts[item]):
                found.append(self._texts[item])
            if len(found) == self._shown:
                break
        return tuple(found)


@dataclass
class _Told:
    """What was answered about one pair."""

    scores: list[float] = field(default_factory=list)
    masses: list[float] = field(default_factory=list)
    error: str | None = None

    def add(self, score: float | None, mass: float | None, error: str | None) -> None:
        if score is None:
            self.error = self.error or error
        else:
            self.scores.append(score)
        if mass is not None:
            self.masses.append(mass)

    def scored(self) -> Scored:
        """Pairs that some answer scored have no error."""
        if not self.scores:
            return Scored(np.nan, np.nan, np.nan, self.error or "no answer")
        spread = statistics.stdev(self.scores) if len(self.scores) > 1 else np.nan
        mass = statistics.fmean(self.masses) if self.masses else np.nan
        return Scored(statistics.fmean(self.scores), spread, mass, None)


class Asking:
    """Asks a provider about pairs as the choices say."""

    def __init__(self, provider: Provider, how: Scoring, history: History | None, places: Places | None) -> None:
        self._provider, self._how, self._history, self._places = provider, how, history, places

    def answers(self, pairs: Sequence[Pair]) -> list[Scored]:
        """A score or an error for each pair, in their order; equal pairs get the same. Pairs of a user stand together."""
        told = {(pair.user, pair.item): _Told() for pair in pairs}
        if self._how.together > 1 or self._history is not None:
            self._ask_together(pairs, told)
        else:
            self._ask_each(pairs, told)
        return [told[pair.user, pair.item].scored() for pair in pairs]

    def _ask_each(self, pairs: Sequence[Pair], told: Mapping[tuple[int, str], _Told]) -> None:
        asked = [(pair, sample) for pair in pairs for sample in range(self._how.repeat)]
        answers = self._provider.answer(
            Score(pair.profile, pair.text, sample, (pair.name, pair.item)) for pair, sample in asked
        )
        met: set[tuple[int, str, int]] = set()
        for (pair, sample), answer in zip(asked, answers, strict=True):
            if (key := (pair.user, pair.item, sample)) not in met:
                met.add(key)
                score = float(answer.value) if isinstance(answer.value, int | float) else None
                told[pair.user, pair.item].add(score, answer.p_mass, answer.error)

    def _ask_together(self, pairs: Sequence[Pair], told: Mapping[tuple[int, str], _Told]) -> None:
        asked = list(self._questions(pairs))
        for (group, _), answer in zip(asked, self._provider.answer(request for _, request in asked), strict=True):
            for pair, (score, error) in zip(group, spread_out(answer, len(group)), strict=True):
                told[pair.user, pair.item].add(score, None, error)
            if self._places is not None and isinstance(answer.value, tuple):
                self._places.add(answer.value)

    def _questions(self, pairs: Sequence[Pair]) -> Iterator[tuple[list[Pair], ScoreTogether]]:
        by_user: dict[int, dict[str, Pair]] = {}
        for pair in pairs:
            by_user.setdefault(pair.user, {})[pair.item] = pair
        for own in by_user.values():
            given = list(own.values())
            for sample in range(self._how.repeat):
                for places in groups([pair.text for pair in given], self._how.together, sample):
                    group = [given[place] for place in places]
                    judged = {pair.item for pair in group}
                    known = self._history.without(group[0].name, judged) if self._history else group[0].profile
                    yield group, ScoreTogether(known, tuple(pair.text for pair in group), sample)


def spread_out(answer: Answer, count: int) -> Sequence[tuple[float | None, str | None]]:
    """The answer to a question about ``count`` items as one score or error for each."""
    if not isinstance(answer.value, tuple):
        return [(None, answer.error)] * count
    return [(score, None if score is not None else f"the answer has {answer.lacks}") for score in answer.value]
