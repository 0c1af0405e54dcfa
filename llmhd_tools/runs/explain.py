"""All that a run's folder holds of a user, or of a pair: what was decided, by which numbers, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from llmhd_tools.core.recommending import cosines
from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Id
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.llm.prompts import load_templates, render
from llmhd_tools.llm.requests import Score
from llmhd_tools.runs.denoised import judge_run
from llmhd_tools.runs.histories import Histories
from llmhd_tools.runs.kept import cleaning
from llmhd_tools.runs.opened import Opened
from llmhd_tools.settings import Denoising
from llmhd_tools.stages.dataset import Dataset, dataset_of
from llmhd_tools.stages.denoise import Evidence
from llmhd_tools.stages.recommend import titles_of
from llmhd_tools.stages.texts import texts_of

_NEAREST = 3  # of the user's own items, and of users


def explain(folder: str, user: Id, item: Id | None = None, *, prompts: bool = False) -> Record:
    """What led to the decisions of the run in ``folder`` on a user's pairs, or on the one with ``item``.

    A record that JSON can hold: the training pairs of the user by how much they look like noise, or of one pair its ranks,
    its thresholds, its history over the kept epochs and what is like it; and the profile's versions with what changed.
    ``prompts``: the question about the pair as well, as a language model gets it. Raises InputError for a user or an item
    that the run did not train on, and where its files are gone or are others by now.
    """
    run = Opened.of(folder)
    asked = _Asked.of(run, user)
    found: Record = {"user": asked.name, "best_epoch": run.progress["best_epoch"], "denoise": _denoise(run)}
    profiles = asked.histories.profiles(str(asked.name))
    if item is None:
        found |= {"rows": len(asked.own), "pairs": asked.pairs()}
    else:
        found |= {"pair": asked.pair(item)}
        if prompts:
            found["prompts"] = asked.prompts(profiles, str(item))
    return found | ({"profiles": profiles} if profiles else {})


def _denoise(run: Opened) -> str:
    """How the run denoised, such as ``llmhd`` or ``none, clean graph``."""
    told = str(run.settings.get("denoise") or "none")
    cleaned = run.settings.get("clean")
    return told if cleaned in (None, "none") else f"{told}, clean {cleaned}"


@dataclass(frozen=True)
class _Asked:
    """A run, and the user that is asked about, by code; ``own`` are the rows of TRAIN that are the user's."""

    run: Opened
    train: Table
    dataset: Dataset
    found: Evidence
    histories: Histories
    titles: dict[str, str]
    user: int
    own: np.ndarray

    @classmethod
    def of(cls, run: Opened, user: Id) -> _Asked:
        train = run.train()
        dataset = dataset_of(train)
        code = int(dataset.users.find([user])[0])
        if code < 0:
            raise InputError(f"has no row of user '{user}'", where=train.source)
        own = np.flatnonzero(train["user"] == train.users.find([user])[0])
        items = run.texts("items")
        titles = dict(titles_of(items)) if items else {}
        found = judge_run(run, train, Denoising())
        return cls(run, train, dataset, found, Histories(run, dataset), titles, code, own)

    @property
    def name(self) -> Id:
        """The user's id."""
        return self.dataset.users.names[self.user]

    def pairs(self) -> list[Record]:
        """The user's training rows, those first that look most like noise."""
        order = self.own[np.argsort(-self.found.noise_score[self.own], kind="stable")]
        return [self._row(row) for row in order.tolist()]

    def _row(self, row: int) -> Record:
        """A row of TRAIN as it stands there, without its user, and what is said of it."""
        record = next(to_records(self.train.take(np.array([row]))))
        del record["user"]
        said = {name: value for name, value in self.found.record(row).items() if value is not None}
        return self._titled({"item": record.pop("item")}) | record | said

    def _titled(self, record: Record) -> Record:
        title = self.titles.get(str(record["item"]))
        return record | ({"title": title} if title else {})

    def pair(self, item: Id) -> Record:
        """What is said of the user's pair with an item, in training or not."""
        code = int(self.dataset.items.find([item])[0])
        if code < 0:
            raise InputError(f"has no row of item '{item}'", where=self.train.source)
        rows = self.own[self.train["item"][self.own] == self.train.items.find([item])[0]]
        found = self._row(int(rows[0])) if len(rows) else self._titled({"item": self.dataset.items.names[code]})
        found["stands_in"] = "train" if len(rows) else self._held_out(str(self.name), str(item))
        found |= self._ranks(code) | self._cut() | self._relation(code)
        return found | {"history": self.histories.of(self.user, code), "like": self._like(code)}

    def _held_out(self, user: str, item: str) -> str | None:
        """Whether valid or test holds a pair; None for neither."""
        for name in ("valid", "test"):
            path = self.run.settings.get(name)
            if path and os.path.exists(path):
                table = read_table(path, "interactions")
                at = table.users.find([user])[0], table.items.find([item])[0]
                if ((table["user"] == at[0]) & (table["item"] == at[1])).any():
                    return name
        return None

    def _ranks(self, code: int) -> Record:
        """Where the best epoch's prediction stands: among all items, and among those of the user."""
        users, items = self.run.model().aligned(self.dataset.users, self.dataset.items)
        scores = items.astype(np.float64) @ users[self.user].astype(np.float64)
        own = np.zeros(len(scores), dtype=bool)
        own[self.dataset.graph.item[self.dataset.graph.user == self.user]] = True
        others = own.copy()
        others[code] = True
        return {
            "best_prediction": float(scores[code]),
            "rank": int((scores > scores[code]).sum()) + 1,
            "of_items": len(scores),
            "rank_among_own": int((scores[others] > scores[code]).sum()) + 1,
            "of_own": int(others.sum()),
        }

    def _cut(self) -> Record:
        """The cleaning that the best epoch was trained on, and the suspicion from which it cut."""
        if (cleaned := cleaning(self.run)) is None:
            return {}
        at, table = cleaned
        cut = table["cut"] == 1
        line = {"least_suspicion_cut": float(table["suspicion"][cut].min())} if cut.any() else {}
        return {"cleaned": {"after_epoch": at, "share": self.run.settings.get("clean_share")} | line}

    def _relation(self, code: int) -> Record:
        """What a language model made of the pair, where llmhni asked about it."""
        path = self.run.path(f"relations-{self.run.settings.get('relate_at')}.jsonl")
        if not os.path.exists(path):
            return {}
        table = read_table(path, "relations", users=self.dataset.users, items=self.dataset.items)
        if not len(table):
            return {}
        rows = np.flatnonzero((table["user"] == self.user) & (table["item"] == code))
        return {"relation": next(to_records(table.take(rows[:1])))} if len(rows) else {}

    def _like(self, code: int) -> Record:
        """By the best epoch's vectors: the user's own items nearest to the item, and the nearest of those who touched it."""
        users, items = self.run.model().aligned(self.dataset.users, self.dataset.items)
        graph = self.dataset.graph
        own, others = graph.item[graph.user == self.user], graph.user[graph.item == code]
        own, others = own[own != code], others[others != self.user]
        of_items = cosines(items, np.array([code]))[own, 0]
        of_users = cosines(users, np.array([self.user]))[others, 0]
        nearest = [np.argsort(-values, kind="stable")[:_NEAREST].tolist() for values in (of_items, of_users)]
        return {
            "own_items": [
                self._titled({"item": self.dataset.items.names[own[n]]}) | {"likeness": float(of_items[n])}
                for n in nearest[0]
            ],
            "users": [
                {"user": self.dataset.users.names[others[n]], "likeness": float(of_users[n])} for n in nearest[1]
            ],
            "touched_by": len(others),
        }

    def prompts(self, profiles: list[Record], item: str) -> list[Record]:
        """The question how well the item fits each kept version of the profile, as a language model gets it."""
        items = self.run.texts("items")
        text = texts_of(items).get(item, "") if items else ""
        templates = load_templates(self.run.settings.get("templates") or self.run.settings.get("domain") or "generic")
        return [
            {"after_epoch": one["after_epoch"], "messages": render(Score(one["profile"], text), templates)}
            for one in profiles
            if one["profile"] and text
        ]
