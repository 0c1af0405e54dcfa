"""A run's training interactions, each with what the run makes of it."""

from __future__ import annotations

from dataclasses import replace

from llmhd_tools.files.table import Table
from llmhd_tools.runs.kept import evidence_of, suspects_of
from llmhd_tools.runs.opened import Opened
from llmhd_tools.settings import Denoising
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.denoise import Evidence, judge_rows
from llmhd_tools.stages.recommend import titles_of
from llmhd_tools.stages.texts import Texts


def judge_run(run: Opened, rows: Table, how: Denoising, items: Texts | None = None) -> Evidence:
    """How much each of a run's training ``rows`` looks like noise.

    By its suspects (``suspects_of``), beside which stands what its kept epochs said (``evidence_of``). Raises UsageError
    where ``how`` or ``items`` ask for a model in their place.
    """
    dataset = dataset_of(rows)
    suspects = suspects_of(run, dataset)
    return judge_rows(rows, how, items=items, suspects=suspects, evidence=evidence_of(run, dataset))


def titled(table: Table, items: Table | None, run: Opened | None) -> Table:
    """Items with their titles, from texts that are given or the run's; a table without items as it is."""
    if "item" not in table or (items is None and run is None):
        return table
    items = items or (run.texts("items") if run else None)
    if items is None:
        return table
    titles = titles_of(items)
    names = (titles.get(str(name)) for name in table.items.take(table["item"]))
    return replace(table, columns=table.columns | {"title": [*names]})
