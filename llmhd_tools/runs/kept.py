"""What a run's folder still holds of its epochs: verdicts, scores, flags, profiles, and the cleanings of its graph."""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from llmhd_tools import notes
from llmhd_tools.core.arrays import Floats
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.runs.opened import Opened
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.suspect import suspect

_PROPAGATING = ("lightgcn",)  # backbones whose pairs vouch for themselves by their own edge


def kept_epochs(run: Opened, name: str) -> list[int]:
    """The whole epochs that the folder holds a file of some ``name`` of, ascending."""
    found = [re.fullmatch(r"epoch-(\d+)", entry) for entry in os.listdir(run.folder)]
    numbers = sorted(int(match[1]) for match in found if match)
    done = run.progress.get("epoch", 0)
    return [n for n in numbers if n <= done and os.path.exists(run.path(f"epoch-{n}", name))]


def read_epoch(run: Opened, epoch: int, name: str, kind: str, users: Ids, items: Ids) -> Table:
    """A file of an epoch, in the codes of some ids. Raises InputError for an id that they lack."""
    return read_table(run.path(f"epoch-{epoch}", name), kind, users=users, items=items)


def cleaning(run: Opened) -> tuple[int, Table] | None:
    """The cleaning of the graph that the best epoch was trained on, or else the first one; after which epoch that was.

    None where the run cleans nothing or did not come so far.
    """
    found = [re.fullmatch(r"drop-(\d+)\.npz", entry) for entry in os.listdir(run.folder)]
    numbers = sorted(int(match[1]) for match in found if match)
    best = run.progress["best_epoch"]
    if not numbers or run.settings.get("clean") in (None, "none"):
        return None
    at = max((n for n in numbers if n < best), default=numbers[0])
    if at >= best:
        notes.note(
            f"the best epoch, {best}, came before the first cleaning, after epoch {at}, whose suspects these are"
        )
    return at, read_table(run.path(f"drop-{at}.npz"), "suspects")


def suspects_of(run: Opened, dataset: Dataset) -> Table:
    """The training pairs with their suspicion: those of the cleaning, else by the predictions of the best epoch."""
    if (cleaned := cleaning(run)) is not None:
        return cleaned[1]
    best = run.model()
    backbone = best.meta.get("made", {}).get("params", {}).get("backbone")
    alone = bool(run.settings.get("leave_one_out", True)) and backbone in _PROPAGATING
    return suspect(dataset, [best], share=0.0, leave_one_out=alone)


def observed(table: Table) -> NDArray[np.bool_]:
    """Which rows are of an interaction, not of a sampled item, (n,)."""
    return table["label"] == 1 if "label" in table else np.ones(len(table), dtype=bool)


def evidence_of(run: Opened, dataset: Dataset) -> dict[str, NDArray[np.number]]:
    """What the kept epochs said of each training pair, (n,) each, as far as there are such files.

    ``dropped`` and ``rescued``: in how many of them it was left out of the loss, or was noisy and stayed in; ``flags``: in
    how many of all it looked like a false positive; ``fit``: the mean score of how well it fits the profile, NaN without.
    """
    found: dict[str, NDArray[np.number]] = {}
    n, ids = len(dataset.graph), (dataset.users, dataset.items)

    def at(table: Table, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return dataset.graph.find(table["user"][rows], table["item"][rows])

    if epochs := kept_epochs(run, "verdicts.jsonl"):
        found |= {"dropped": np.zeros(n, dtype=np.int64), "rescued": np.zeros(n, dtype=np.int64)}
        for epoch in epochs:
            table = read_epoch(run, epoch, "verdicts.jsonl", "verdicts", *ids)
            hard = np.array([verdict == "hard" for verdict in table.columns["verdict"]], dtype=bool)
            for name, chosen in (("dropped", ~hard), ("rescued", hard)):
                np.add.at(found[name], np.unique(at(table, observed(table) & chosen)), 1)
        notes.note(
            f"dropped and rescued are counted over the {notes.many(len(epochs), 'epoch')} whose verdicts are kept"
        )
    if epochs := kept_epochs(run, "flags.npz"):
        table = read_epoch(run, epochs[-1], "flags.npz", "flags", *ids)
        found["flags"] = np.zeros(n, dtype=np.int64)
        found["flags"][at(table, table["label"] == 1)] = table["count"][table["label"] == 1]
    if (fits := _fits(run, dataset)) is not None:
        found["fit"] = fits
    return found


def _fits(run: Opened, dataset: Dataset) -> Floats | None:
    """The mean score of each training pair over the kept epochs, (n,); None where there are no scores."""
    total, count = np.zeros(len(dataset.graph)), np.zeros(len(dataset.graph))
    for epoch in kept_epochs(run, "judged.jsonl"):
        table = read_epoch(run, epoch, "judged.jsonl", "judged", dataset.users, dataset.items)
        if "score" not in table:
            continue
        rows = observed(table) & np.isfinite(table["score"])
        at = dataset.graph.find(table["user"][rows], table["item"][rows])
        np.add.at(total, at, table["score"][rows])
        np.add.at(count, at, 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan) if count.any() else None
