"""The texts of a run, and who judges by them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from llmhd_tools import notes
from llmhd_tools.errors import UsageError
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table, write_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors
from llmhd_tools.llm.requests import Provider, TextProvider
from llmhd_tools.runs.journal import Journal
from llmhd_tools.stages.align import align_vectors
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.embed import embed
from llmhd_tools.stages.score import score
from llmhd_tools.stages.scorer import check_scored, judge
from llmhd_tools.stages.summarize import summarize
from llmhd_tools.stages.texts import texts_of


class Texts:
    """Items, and the profiles as they stand. ``provider`` answers, ``scorer`` is a program that scores in its place."""

    def __init__(
        self,
        journal: Journal,
        dataset: Dataset,
        items: Table,
        profiles: Table | None,
        provider: Provider,
        scorer: str | None = None,
    ) -> None:
        self.journal, self.dataset, self.provider, self.scorer = journal, dataset, provider, scorer
        self.items_table, self.items = items, texts_of(items)
        if scorer is not None and not items.source:
            raise UsageError("`scorer` reads the items from a file; read them from one")
        self._profiles, self._path = profiles, profiles.source if profiles is not None else ""

    @property
    def profiles(self) -> Table:
        """The profiles as they stand; summarised where none were given."""
        if self._profiles is None:
            self._path = self.journal.path("profiles.jsonl")
            if not os.path.exists(self._path):
                self.journal.begin()
                notes.note("summarising every user's taste")
                write_table(self._path, summarize(self.dataset, self.items, self.provider))
            self._profiles = read_table(self._path, "profiles")
        return self._profiles

    def by_user(self) -> Mapping[str, str]:
        """The profiles' texts by the user's id."""
        return texts_of(self.profiles)

    def update(self, profiles: Table, path: str) -> None:
        """Judge by these profiles from now on; they lie in ``path``."""
        self._profiles, self._path = profiles, path

    def scores(self, table: Table, path: str, output: str) -> Table:
        """Noisy rows or suspects, which lie in ``path``, with scores, written to ``output``.

        Raises InputError where the scorer lost rows.
        """
        profiles = self.profiles
        if self.scorer is None:
            judged = score(table, texts_of(profiles), self.items, self.provider)
            write_table(output, judged)
            return judged
        judge(self.scorer, path, self._path, self.items_table.source, output)
        ids = {"users": self.dataset.users, "items": self.dataset.items}
        judged = read_table(output, "suspects" if table.kind == "suspects" else "judged", **ids)
        check_scored(table, judged)
        return judged

    def vectors(self, train: Table, embedder: TextProvider, seed: int) -> Tensors:
        """The texts embedded, ``vectors.npz``, and aligned, ``aligned.npz``; what is there is not made again."""
        path, plain = self.journal.path("aligned.npz"), self.journal.path("vectors.npz")
        if not os.path.exists(path):
            if not os.path.exists(plain):
                profiles = self.profiles
                self.journal.begin()
                write_tensors(plain, embed([profiles, self.items_table], embedder))
            aligned, records = align_vectors(read_tensors(plain, "vectors"), train, seed=seed)
            before, after = (record["value"] for record in records if record["split"] == "held-out")
            notes.note(f"AUC of relevance on held-out pairs {before:.4f} before alignment, {after:.4f} after")
            write_tensors(path, aligned)
        return read_tensors(path, "vectors")
