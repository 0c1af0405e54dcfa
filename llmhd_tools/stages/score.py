"""How well the candidates' items fit their users' profiles (LLMHD Eq. 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.files.table import Table
from llmhd_tools.llm.requests import Provider, Score
from llmhd_tools.stages.texts import Texts, texts_of

TARGETS = {"item": "score", "negative": "negative_score"}
JUDGED = {"noisy": "judged", "suspects": "suspects"}  # what a table becomes


def due_rows(table: Table) -> NDArray[np.bool_]:
    """Which rows are to be scored, (n,) bool."""
    due: NDArray[np.bool_] = table["cut" if table.kind == "suspects" else "candidate"] == 1
    return due


def score(noisy: Table, profiles: Texts, items: Texts, provider: Provider) -> Table:
    """Noisy rows or suspects with ``score``, ``negative_score`` (pairwise), ``error`` and ``model``, in their order.

    ``profiles`` and ``items`` map an id's text to its text; a pair whose text is missing gets an error. The requests of a
    user follow each other, so that their prompts share a beginning.
    """
    profiles, items, due = texts_of(profiles), texts_of(items), due_rows(noisy)
    rows = np.flatnonzero(due)
    errors: list[str | None] = [None] * len(noisy)
    targets = {name: target for name, target in TARGETS.items() if name in noisy}
    scores = {target: np.full(len(noisy), np.nan) for target in targets.values()}
    masses = {f"{target[:-5]}p_mass": np.full(len(noisy), np.nan) for target in targets.values()}
    asked = sorted(_requests(noisy, rows, targets, profiles, items, errors), key=lambda ask: ask[0])
    answers = provider.answer(request for *_, request in asked)
    for (_, row, target, _request), answer in zip(asked, answers, strict=True):
        if answer.error is None:
            scores[target][row] = answer.value
            masses[f"{target[:-5]}p_mass"][row] = np.nan if answer.p_mass is None else answer.p_mass
        else:
            errors[row] = errors[row] or answer.error
    failed = np.array([error is not None for error in errors], dtype=bool)
    for values in (*scores.values(), *masses.values()):  # one failed answer leaves the whole row without scores
        values[failed] = np.nan
    known = {name: values for name, values in masses.items() if not np.isnan(values).all()}
    model = [provider.name if asked_for else None for asked_for in due]
    columns = {**noisy.columns, **scores, **known, "error": errors, "model": model}
    return Table(JUDGED[noisy.kind], columns, noisy.users, noisy.items, extra=noisy.extra, source=noisy.source)


def _requests(
    noisy: Table,
    rows: NDArray[np.int64],
    targets: Mapping[str, str],
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    errors: list[str | None],
) -> Iterator[tuple[int, int, str, Score]]:
    """(user's code, row, target, request) of every pair that has texts; what is missing is told in ``errors``."""
    users = [str(name) for name in noisy.users.take(noisy["user"][rows])]
    codes = noisy["user"][rows].tolist()
    for column, target in targets.items():
        names = [str(name) for name in noisy.items.take(noisy[column][rows])]
        for row, code, user, name in zip(rows.tolist(), codes, users, names, strict=True):
            if not profiles.get(user):
                errors[row] = errors[row] or f"user '{user}' has no profile"
            elif not items.get(name):
                errors[row] = errors[row] or f"item '{name}' has no text"
            else:
                yield code, row, target, Score(profiles[user], items[name])
