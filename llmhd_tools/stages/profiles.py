"""Profiles corrected by pairs that keep looking mislabelled (LLMHD Eq. 17-22)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core import preference
from llmhd_tools.core.preference import Flags
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider, Revise
from llmhd_tools.llm.untrusted import order_in
from llmhd_tools.settings import Profiles, Pruning
from llmhd_tools.settings.spans import steps_of
from llmhd_tools.stages.dataset import Dataset, align
from llmhd_tools.stages.texts import Texts, digest_of, texts_of


@dataclass(frozen=True)
class Update:
    """What one round of preference updating did."""

    profiles: Table
    flags: Table
    flagged: int
    false_positives: int
    false_negatives: int
    updated: int
    failed: Sequence[str]  # why answers could not be used


def update_profiles(
    profiles: Table,
    dataset: Dataset,
    items: Texts,
    history: Sequence[Tensors],
    flags: Table | None,
    model: Tensors,
    provider: Provider,
    pruning: Pruning | None = None,
    how: Profiles | None = None,
) -> Update:
    """One round after a finished epoch: flag, collect the confident pairs, ask once for each user and direction.

    ``model`` is that of the epoch; its T and seed count. Raises InputError where ``flags`` count that epoch already.
    """
    items = texts_of(items)
    graph, config, pruning, how = dataset.graph, model.meta["config"], pruning or Pruning(), how or Profiles()
    if flags and flags.meta.get("epoch", -1) >= model.meta["epoch"]:
        raise InputError(
            f"counts epoch {flags.meta['epoch']} already; give the flags of the epoch before, or a new file",
            where=flags.source,
        )
    embeddings = align(history, dataset.users, dataset.items)
    alpha = steps_of(pruning.alpha, model.meta["step"] / model.meta["epoch"])
    share = NoiseRate(alpha, pruning.max_noise, pruning.schedule).share(model.meta["step"], config["batch"])
    now, flagged = _flags_of(flags), 0
    tracked = preference.tracked_negatives(graph, how.tracked, config["seed"])
    for label, (user, item) in ((1, (graph.user, graph.item)), (0, tracked)):
        chosen = preference.flagged(
            embeddings, user, item, label, share, scope=how.scope, candidates=pruning.candidates, link=pruning.link
        )
        now = now.plus(user[chosen], item[chosen], label)
        flagged += int(chosen.sum())
    due = now.confident(how.confidence)
    revised, done, updated, failed = _revise(profiles, dataset, items, provider, now, due)
    now = replace(now, sent=now.sent | done)
    positives = int((due & (now.label == 1)).sum())
    inputs: dict[str, str | list[str]] = {
        "train": dataset.digest,
        "profiles": profiles.digest(),
        "items": digest_of(items),
        "history": [epoch.digest() for epoch in history],
        "model": model.digest(),
    }
    if flags:
        inputs["flags"] = flags.digest()
    table = _flags_table(now, dataset)
    choices = asdict(pruning) | asdict(how)
    params = {name: v for name, v in choices.items() if name not in ("selection", "update")} | {"llm": provider.name}
    table.meta = {
        "epoch": model.meta["epoch"],
        "made": made("update-profiles", params, inputs),
        "revised": revised.digest(),
    }
    return Update(revised, table, flagged, positives, int(due.sum()) - positives, updated, failed)


def is_done(flags: Table | None, profiles: Table, model: Tensors, revised: Callable[[], Table]) -> bool:
    """Whether ``flags`` are those of this very update, killed before it could say so: of this model, from these profiles.

    ``revised`` reads the profiles that lie where the update would write them.
    """
    if flags is None or flags.meta.get("epoch") != model.meta["epoch"] or "revised" not in flags.meta:
        return False
    inputs = flags.meta["made"]["inputs"]
    asked = (inputs.get("model"), inputs.get("profiles"))
    return asked == (model.digest(), profiles.digest()) and revised().digest() == flags.meta["revised"]


def _flags_of(table: Table | None) -> Flags:

    if table is None:
        return Flags.none()
    return Flags(table["user"], table["item"], table["label"], table["count"], table["sent"] == 1)


def _flags_table(flags: Flags, dataset: Dataset) -> Table:

    columns: dict[str, Column] = {"user": flags.user, "item": flags.item, "label": flags.label, "count": flags.count}
    return Table("flags", columns | {"sent": flags.sent.astype("int8")}, dataset.users, dataset.items)


def _revise(
    profiles: Table,
    dataset: Dataset,
    items: Mapping[str, str],
    provider: Provider,
    flags: Flags,
    due: NDArray[np.bool_],
) -> tuple[Table, NDArray[np.bool_], int, list[str]]:
    """Ask about the due pairs: for each user first about false positives, then about false negatives.

    Returns the new profiles, which of the pairs are done with, how many profiles changed and why answers failed. A
    failed answer leaves the profile as it was, and its pairs are asked about again after the next epoch.
    """
    texts: list[str] = list(profiles.columns["profile"])
    models = list(profiles.columns.get("model", [None] * len(profiles)))
    versions = profiles["version"].copy() if "version" in profiles else np.zeros(len(profiles), dtype=np.int64)
    done = np.zeros(len(flags), dtype=bool)
    changed: set[int] = set()
    failed: list[str] = []
    for label in (1, 0):
        asked = list(_questions(profiles, texts, dataset, items, flags, due, label))
        for (row, pairs, request), answer in zip(asked, provider.answer(a[2] for a in asked), strict=True):
            order = None if answer.error or answer.value == request.profile else order_in(str(answer.value))
            if answer.error is not None or order is not None:
                failed.append(answer.error or f"the profile gives an order to the scorer, '{order}'")
                continue
            done[pairs] = True
            if answer.value != request.profile:
                texts[row], models[row] = str(answer.value), provider.name
                versions[row] = max(versions[row], 0) + 1
                changed.add(row)
    columns: dict[str, Column] = {**profiles.columns, "profile": texts, "version": versions, "model": models}
    revised = Table("profiles", columns, profiles.users, extra=profiles.extra, source=profiles.source)
    return revised, done, len(changed), failed


def _questions(
    profiles: Table,
    texts: list[str],
    dataset: Dataset,
    items: Mapping[str, str],
    flags: Flags,
    due: NDArray[np.bool_],
    label: int,
) -> Iterator[tuple[int, NDArray[np.int64], Revise]]:
    """For each user with due pairs of one label: the profile's row, the pairs and the question about them."""
    row_of = {str(name): row for row, name in enumerate(profiles.users.take(profiles["user"]))}
    rows = np.flatnonzero(due & (flags.label == label))
    for pairs in np.split(rows, np.flatnonzero(np.diff(flags.user[rows])) + 1) if len(rows) else []:
        row = row_of.get(str(dataset.users.names[flags.user[pairs[0]]]))
        named = tuple(text for name in dataset.items.take(flags.item[pairs]) if (text := items.get(str(name))))
        if row is not None and texts[row] and named:
            yield row, pairs, Revise(texts[row], named, "false-positive" if label else "false-negative")
