"""What scores of pairs are worth: against known noise, and against another judge of the same pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from llmhd_tools.core.agreement import by_level, jackknife, kappa
from llmhd_tools.core.arrays import Mask
from llmhd_tools.core.auc import auc, auc_by_group
from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, from_records
from llmhd_tools.stages.scored import HIGHEST, Scored, scored_pairs


def agreement(scores: Table, *, marked: Table | None = None, against: Table | None = None, below: float = 5) -> Table:
    """How far ``scores`` agree with the ``noise`` marks of ``marked`` (else their own), and with another judge's scores.

    Of noise: ``auc``, the chance that a noisy pair scores below a clean one, ``auc-within`` the same within users;
    ``kappa``, ``precision`` and ``recall`` of calling noise what scores up to ``below``; ``calibration``, the noisy share
    of each score. Of ``against``, pairs in both: ``pearson``, ``spearman``, quadratically weighed ``kappa``, ``same`` (the
    share within half a point) and ``difference`` (the mean of ours less theirs). ``sd`` is a jackknife over users. A
    measure that the pairs do not give is left out. Raises InputError where no pair has a score, or none can be compared.
    """
    ours = scored_pairs(scores)
    noise = _own_marks(scores, ours) if marked is None else _marks(ours, marked)
    if marked is None and against is None and (noise < 0).all():
        raise InputError(
            "has no noise marks to compare its scores with; give `noise` or `against`", where=scores.source
        )
    records: list[Record] = []
    if (noise >= 0).any():
        records += _of_noise(ours, noise, below)
    elif marked is not None:
        raise InputError("marks none of the scored pairs; are they of the same data?", where=marked.source)
    if against is not None:
        records += _of_judge(ours, scored_pairs(against), against.source or "another")
    known = [{name: value for name, value in r.items() if value is not None} for r in records if r["value"] is not None]
    found = from_records("agreement", known, "agreement")
    inputs: dict[str, str | list[str]] = {"scores": scores.digest()}
    inputs |= {} if marked is None else {"marked": marked.digest("user", "item", "noise")}
    inputs |= {} if against is None else {"against": against.digest()}
    found.meta = {"made": made("judge", {"below": below}, inputs)}
    return found


def _own_marks(table: Table, ours: Scored) -> NDArray[np.int8]:
    return table["noise"][ours.row].astype(np.int8) if "noise" in table else np.full(len(ours.row), -1, dtype=np.int8)


def _marks(pairs: Scored, marked: Table) -> NDArray[np.int8]:
    if "noise" not in marked:
        raise InputError("has no 'noise' marks to measure against", where=marked.source)
    users, items = marked.users.take(marked["user"]), marked.items.take(marked["item"])
    known = {
        (str(user), str(item)): int(noise) for user, item, noise in zip(users, items, marked["noise"], strict=True)
    }
    return np.array([known.get(key, -1) for key in pairs.key], dtype=np.int8)


def _of_noise(pairs: Scored, noise: NDArray[np.int8], below: float) -> Iterator[Record]:
    known = noise >= 0
    score, user, noisy = pairs.score[known], pairs.user[known], noise[known] == 1
    called = score <= below

    def pooled(rows: Mask) -> float | None:
        return auc(-score[rows], noisy[rows])

    def within(rows: Mask) -> float | None:
        _, values = auc_by_group(-score[rows], noisy[rows], user[rows])
        return float(values.mean()) if len(values) else None

    every = np.ones(len(score), dtype=bool)
    for name, measure in (("auc", pooled), ("auc-within", within)):
        yield _record("noise", name, measure(every), len(score), jackknife(measure, user))
    yield _record("noise", "kappa", kappa(called.astype(np.int64), noisy.astype(np.int64), 2), len(score))
    yield _record("noise", "precision", _mean(noisy[called]), int(called.sum()))
    yield _record("noise", "recall", _mean(called[noisy]), int(noisy.sum()))
    for level, rows, share in by_level(score, noisy):
        yield _record("noise", "calibration", share, rows) | {"score": level}


def _of_judge(ours: Scored, theirs: Scored, name: str) -> Iterator[Record]:
    known = dict(zip(theirs.key, theirs.score.tolist(), strict=True))
    both = np.array([key in known for key in ours.key], dtype=bool)
    if not both.any():
        raise InputError("scores none of the same pairs", where=name)
    one = ours.score[both]
    other = np.array([known[key] for key in ours.key if key in known])
    varied = len(one) > 1 and np.ptp(one) > 0 and np.ptp(other) > 0
    yield _record(name, "pearson", float(pearsonr(one, other)[0]) if varied else None, len(one))
    yield _record(name, "spearman", float(spearmanr(one, other)[0]) if varied else None, len(one))
    mine, its = (np.floor(scores + 0.5).astype(np.int64) - 1 for scores in (one, other))
    yield _record(name, "kappa", kappa(mine, its, HIGHEST), len(one))
    yield _record(name, "same", float((np.abs(one - other) <= 0.5).mean()), len(one))
    gap, user = one - other, ours.user[both]
    yield _record(
        name, "difference", float(gap.mean()), len(one), jackknife(lambda rows: float(gap[rows].mean()), user)
    )


def _mean(mask: Mask) -> float | None:
    return float(mask.mean()) if len(mask) else None


def _record(against: str, measure: str, value: float | None, pairs: int, sd: float | None = None) -> Record:
    return {"against": against, "measure": measure, "value": value, "pairs": pairs, "sd": sd}
