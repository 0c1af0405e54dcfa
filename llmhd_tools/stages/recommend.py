"""What to show users, best first, with titles and with what it follows from; or what is like an item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Blend, Linear, Ranker
from llmhd_tools.core.recommending import Because, Places, because, first, likeness
from llmhd_tools.core.ties import Ties
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.ids import Id, Ids
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, concatenate
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Recommending, pick
from llmhd_tools.stages.dataset import by_user
from llmhd_tools.stages.rankers import ranker_of

_USERS = 256  # whose lists are made at a time
_SHOWN = 3  # of the user's own items that an item's place follows from
_BEGINNING = 60  # characters of a text that stand for a title


def recommend(
    model: Tensors,
    users: Sequence[Id] | None = None,
    how: Recommending | None = None,
    *,
    exclude: Sequence[Table] = (),
    items: Table | None = None,
    like: Id | None = None,
    **choices: Any,
) -> Table:
    """The best items of some ``users`` by a model, or of all that touched anything; or the ones most ``like`` an item.

    ``model`` holds embeddings, or is a model of ``fit`` or ``blend``. The pairs of ``exclude``, and those that a fitted
    model was made of, are in no list. ``items`` have the titles; an item without one has the beginning of its text.
    ``choices`` are those of ``Recommending`` by name. Raises InputError for a user or item that the model does not know,
    UsageError where the choices do not fit.
    """
    return concatenate([*recommend_chunks(model, users, how, exclude=exclude, items=items, like=like, **choices)])


def recommend_chunks(
    model: Tensors,
    users: Sequence[Id] | None = None,
    how: Recommending | None = None,
    *,
    exclude: Sequence[Table] = (),
    items: Table | None = None,
    like: Id | None = None,
    **choices: Any,
) -> Iterator[Table]:
    """As ``recommend``, in pieces of some hundred users, so that memory does not grow with their number."""
    how = pick(Recommending, how, choices)
    lists = _lists(model, exclude, titles_of(items) if items else {}, how)
    if like is not None:
        if users is not None or how.why:
            raise UsageError("`like` is about an item, not a user; leave out `users` and `why`")
        return iter([lists.like(_known(model, "item", [like])[0])])
    wanted = lists.everybody() if users is None else _known(model, "user", users)
    if how.why and not lists.has_own:
        raise UsageError("`why` needs what users touched; give it with `exclude`")
    return lists.of(wanted)


def titles_of(items: Table) -> Mapping[str, str]:
    """What to call items, by the id's text: the title, or how the text begins."""
    names = [str(name) for name in items.items.take(items["item"])]
    told = items.columns["title"] if "title" in items else [None] * len(items)
    found = (title or _beginning(text) for title, text in zip(told, items.columns["profile"], strict=True))
    return dict(zip(names, found, strict=True))


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BEGINNING else f"{line[: _BEGINNING - 1]}…"


def _known(model: Tensors, side: str, ids: Sequence[Id]) -> Places:
    """The places of ids among a model's. Raises InputError for one that it does not know."""
    codes = (model.users if side == "user" else model.items).find(ids)
    if (codes < 0).any():
        raise InputError(f"knows no {side} '{ids[int(np.argmax(codes < 0))]}'", where=model.source)
    return codes.astype(np.int64)


def _lists(model: Tensors, exclude: Sequence[Table], titles: Mapping[str, str], how: Recommending) -> _Lists:
    ranker = ranker_of(model)
    seen = [by_user(table, model.users, model.items) for table in exclude]
    if isinstance(ranker, Linear | Blend):
        known = ranker.interactions if isinstance(ranker, Linear) else ranker.known
        seen.append(ByUser(known.indptr.astype(np.int64), known.indices.astype(np.int32)))
    inputs: dict[str, str | list[str]] = {
        "model": model.digest(),
        "exclude": [table.digest("user", "item") for table in exclude],
    }
    params: Record = {"top": how.top, "why": how.why}
    return _Lists(ranker, model.users, model.items, seen, titles, how, {"made": made("recommend", params, inputs)})


@dataclass(frozen=True)
class _Lists:
    """How lists are made: by what, without what, with which titles."""

    ranker: Ranker
    users: Ids
    items: Ids
    seen: Sequence[ByUser]
    titles: Mapping[str, str]
    how: Recommending
    meta: Record

    @property
    def has_own(self) -> bool:
        """Whether it is known what users touched."""
        return any(len(pairs.items) for pairs in self.seen)

    def everybody(self) -> Places:
        """The users who touched anything; all, where nothing is known of that."""
        if not self.has_own:
            return np.arange(len(self.users))
        return np.flatnonzero(sum(np.diff(pairs.start) for pairs in self.seen))

    def of(self, users: Places) -> Iterator[Table]:
        """The users' lists, some users at a time."""
        ties = Ties(self.users.names, self.items.names)
        starts = range(0, len(users), _USERS)
        for start in notes.progress(starts, "recommend", len(starts)):
            block = users[start : start + _USERS]
            place, item, score = first(self.ranker, block, self.seen, self.how.top, ties)
            begin = np.searchsorted(place, np.arange(len(block) + 1))
            columns: dict[str, Column] = {
                "user": block[place].astype(np.int32),
                "item": item.astype(np.int32),
                "rank": np.arange(len(place)) - begin[place] + 1,
                "score": score,
            }
            if self.how.why:
                parts = zip(block.tolist(), begin[:-1].tolist(), begin[1:].tolist(), strict=True)
                columns["because"] = [one for user, a, b in parts for one in self._because(user, item[a:b])]
            yield self._table(columns)

    def like(self, item: int) -> Table:
        """The items most like one."""
        found = likeness(self.ranker, item)
        order = Ties(["like"], self.items.names).order(0, np.arange(len(found)))
        best = np.lexsort((order, -found))
        best = best[best != item][: self.how.top]
        columns: dict[str, Column] = {
            "like": np.full(len(best), item, dtype=np.int32),
            "item": best.astype(np.int32),
            "rank": np.arange(len(best)) + 1,
            "score": found[best].astype(np.float32),
        }
        return self._table(columns)

    def _table(self, columns: dict[str, Column]) -> Table:
        if self.titles:
            columns["title"] = [self.titles.get(str(name)) for name in self.items.take(np.asarray(columns["item"]))]
        return Table("recommendations", columns, self.users, self.items, dict(self.meta))

    def _because(self, user: int, items: Places) -> list[list[Record]]:
        """Of each item the user's own items that add most to its score, or are most like it; best first."""
        own = np.unique(np.concatenate([pairs.pairs(np.array([user]))[1] for pairs in self.seen]))
        found = because(self.ranker, user, items, own)
        order = np.argsort(-found.parts, axis=1, kind="stable")[:, :_SHOWN]
        return [self._told(found, row, best) for row, best in enumerate(order)]

    def _told(self, found: Because, row: int, best: Places) -> list[Record]:
        told = []
        for at in best.tolist():
            name, value = self.items.names[found.own[at]], float(found.parts[row, at])
            title = self.titles.get(str(name))
            record: Record = {"item": name} | ({"title": title} if title else {})
            told.append(record | {"part" if found.exact else "likeness": value})
        return told
