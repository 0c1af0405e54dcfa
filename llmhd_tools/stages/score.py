"""How well the candidates' items fit their users' profiles (LLMHD Eq. 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.llm.open import DISTILLED, split_spec
from llmhd_tools.llm.requests import Provider
from llmhd_tools.settings import Cascading, Scoring, pick
from llmhd_tools.stages.dataset import Dataset, read_dataset
from llmhd_tools.stages.pairs import Asking, History, Pair
from llmhd_tools.stages.texts import Texts, digest_of, read_texts, texts_of
from llmhd_tools.stages.together import Places

TARGETS = {"item": "score", "negative": "negative_score"}
JUDGED = {"noisy": "judged", "suspects": "suspects", "interactions": "suspects"}  # what a table becomes
OTHERS = {"row", "batch", "loss", "candidate", "suspicion"}  # fields that tell of other rows than plain pairs
Due = tuple[int, str, Pair]  # row, target, what is asked about it


def due_rows(table: Table) -> NDArray[np.bool_]:
    """Which rows are to be scored, (n,) bool; of plain interactions all."""
    if table.kind == "interactions":
        return np.ones(len(table), dtype=bool)
    due: NDArray[np.bool_] = table["cut" if table.kind == "suspects" else "candidate"] == 1
    return due


def plain_pairs(table: Table) -> Table:
    """Interactions as suspects none of which is cut; raises InputError for rows that lost a field."""
    if lost := sorted(OTHERS & {name for record in table.extra or [{}] for name in record or {}}):
        raise InputError(
            f"has {', '.join(lost)} and is neither noisy samples (candidate) nor suspects (cut); pass every field through",
            where=table.source,
        )
    columns: dict[str, Column] = {name: table[name] for name in ("user", "item")}
    columns["cut"] = np.zeros(len(table), dtype=np.int8)
    return Table("suspects", columns, table.users, table.items, extra=table.extra, source=table.source)


def check_asked(how: Scoring, items: object, profiles: object, train: object, llm: str, expected: bool) -> None:
    """Raise UsageError where what is to be shown is missing, or given twice, or answers cannot be expectations."""
    if split_spec(llm)[0] == DISTILLED:
        if items or profiles or train or how != Scoring():
            raise UsageError("`llm` distilled:FILE goes by ids; leave out `items`, `profiles` and how to ask")
        return
    if not items:
        raise UsageError("the texts of the items are missing; give `items`")
    if bool(profiles) == bool(how.history_items):
        raise UsageError("a question shows the user's `profiles`, or `history_items` of `train`; give one of the two")
    if bool(train) != bool(how.history_items):
        raise UsageError("`history_items` and `train` count together only")
    if expected and (how.together > 1 or how.history_items):
        raise UsageError("`expected_score` is for one pair and profile in a call; leave it or the others out")


def score(
    noisy: Table,
    profiles: Texts | None,
    items: Texts,
    provider: Provider,
    how: Scoring | None = None,
    *,
    train: Dataset | None = None,
    places: Places | None = None,
    **choices: Any,
) -> Table:
    """Noisy rows, suspects or pairs with ``score``, ``negative_score`` (pairwise), ``error`` and ``model``, in their order.

    ``profiles`` and ``items`` map an id's text to its text; a pair whose text is missing gets an error. The requests of a
    user follow each other, so that their prompts share a beginning. With ``together`` several of a user's pairs are one
    question, and ``places`` counts how their scores go with the place in it; with ``history_items`` items of the user's
    in ``train``, others than those judged, stand for the profile. Without either a pair is scored by its ids, which
    ``distilled:FILE`` alone does. ``choices`` are those of ``Scoring`` by name.
    """
    how, items, due = pick(Scoring, how, choices), texts_of(items), due_rows(noisy)
    noisy = plain_pairs(noisy) if noisy.kind == "interactions" else noisy
    history = _history(how, train, items)
    known = None if profiles is None else texts_of(profiles)
    errors: list[str | None] = [None] * len(noisy)
    targets = {name: target for name, target in TARGETS.items() if name in noisy}
    asked = list(_due(noisy, np.flatnonzero(due), targets, known, items, history, errors))
    asked.sort(key=lambda ask: ask[2].user)
    columns = {target: np.full(len(noisy), np.nan) for target in targets.values()}
    more = {f"{target[:-5]}{name}": np.full(len(noisy), np.nan) for target in columns for name in ("p_mass", "spread")}
    answers = Asking(provider, how, history, places).answers([pair for *_, pair in asked])
    for (row, target, _), answer in zip(asked, answers, strict=True):
        if answer.error is None:
            columns[target][row] = answer.score
            more[f"{target[:-5]}p_mass"][row] = answer.p_mass
            more[f"{target[:-5]}spread"][row] = answer.spread
        else:
            errors[row] = errors[row] or answer.error
    failed = np.array([error is not None for error in errors], dtype=bool)
    for values in (*columns.values(), *more.values()):  # one failed answer leaves the whole row without scores
        values[failed] = np.nan
    given = {name: values for name, values in more.items() if not np.isnan(values).all()}
    model = [provider.name if asked_for else None for asked_for in due]
    judged: dict[str, Column] = {**noisy.columns, **columns, **given, "error": errors, "model": model}
    return Table(JUDGED[noisy.kind], judged, noisy.users, noisy.items, extra=noisy.extra, source=noisy.source)


class Shown(NamedTuple):
    """What there is to show in a question: texts by id, and training for items of the user's own."""

    profiles: Mapping[str, str] | None
    items: Mapping[str, str]
    train: Dataset | None


def read_shown(profiles: str | None, items: str | None, train: str | None) -> Shown:
    """Read what files there are."""
    return Shown(
        read_texts(profiles, "profiles") if profiles else None,
        read_texts(items, "items") if items else {},
        read_dataset(train) if train else None,
    )


def made_of(noisy: Table, shown: Shown, name: str, how: Scoring, cascading: Cascading, seed: int) -> dict[str, Any]:
    """What the meta of a scored table says of how it was made."""
    inputs: dict[str, str | list[str]] = {noisy.kind: noisy.digest()}
    inputs |= {"items": digest_of(shown.items)} if shown.items else {}
    if shown.train:
        inputs["train"] = shown.train.digest
    elif shown.profiles:
        inputs["profiles"] = digest_of(shown.profiles)
    usual = asdict(Scoring())  # a plain question says no more than it did
    params = {choice: value for choice, value in asdict(how).items() if value != usual[choice]}
    if cascading.cascade is not None:
        params |= asdict(cascading) | {"seed": seed}
    return {"made": made("score", params | {"llm": name}, inputs)}


def _history(how: Scoring, train: Dataset | None, items: Mapping[str, str]) -> History | None:
    if not how.history_items:
        return None
    if train is None:
        raise UsageError("`history_items` shows items of the users; give `train`")
    return History(train, items, how.history_items)


def _due(
    noisy: Table,
    rows: NDArray[np.int64],
    targets: Mapping[str, str],
    profiles: Mapping[str, str] | None,
    items: Mapping[str, str],
    history: History | None,
    errors: list[str | None],
) -> Iterator[Due]:
    """Every pair that has texts; what is missing is told in ``errors``."""
    users = [str(name) for name in noisy.users.take(noisy["user"][rows])]
    codes = noisy["user"][rows].tolist()
    for column, target in targets.items():
        names = [str(name) for name in noisy.items.take(noisy[column][rows])]
        for row, code, user, name in zip(rows.tolist(), codes, users, names, strict=True):
            if profiles is None and history is None:
                yield row, target, Pair(code, user, name, "", items.get(name, ""))  # to be scored by the ids
            elif profiles is not None and not profiles.get(user):
                errors[row] = errors[row] or f"user '{user}' has no profile"
            elif history is not None and user not in history:
                errors[row] = errors[row] or f"user '{user}' has no items in training"
            elif not items.get(name):
                errors[row] = errors[row] or f"item '{name}' has no text"
            else:
                yield row, target, Pair(code, user, name, (profiles or {}).get(user, ""), items[name])
