"""What becomes of the judged rows of an epoch: hard ones are kept, the others dropped (LLMHD Eq. 12-16, 23-24)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Mask
from llmhd_tools.core.hardness import PAIR_RULES, POINT_RULES, Moving, Thresholds, hard_pairs, hard_points
from llmhd_tools.core.sampling import Samples
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.streams import suffix_of
from llmhd_tools.files.table import Table, recode
from llmhd_tools.settings import Judging, pick
from llmhd_tools.settings.spans import Span, span_of, steps_of
from llmhd_tools.stages.dataset import Dataset

Keep = Mask | Callable[[int, NDArray[np.float32]], Mask]  # which samples to keep, (n,); or of batch k with losses (b,)


class Judge(Protocol):
    """Says which samples of an epoch are dropped."""

    def params(self, loss: str, samples: Samples) -> dict[str, Any]:
        """The choices, for the record of how a file was made of an epoch's samples."""

    def inputs(self) -> dict[str, str | list[str]]:
        """Digests of what counts, likewise."""

    def begin(self, samples: Samples, step: int, dataset: Dataset, gone: Mask | None) -> tuple[Keep, Report]:
        """Which of an epoch's samples to keep, and what to ask for a report once it is over.

        ``step`` is T of the first batch; samples that are ``gone`` (n,) are not trained on, whatever is judged of them, and
        what to keep is of the others.
        """


Report = Callable[[], tuple[Table, Table]]  # the judged rows of an epoch, and the verdict on each


class Judged:
    """Noisy rows that were judged before the epoch; without scores, none of them is hard."""

    def __init__(self, table: Table, how: Judging | None = None, alpha: float | str = "10e", **choices: Any) -> None:
        """``choices`` are those of ``Judging`` by name; in ``alpha`` steps, or epochs, a threshold moves one point."""
        self.table, self.how = table, pick(Judging, how, choices)
        self.alpha = span_of(f"`alpha` {alpha}", alpha)
        parse_thresholds(self.how, self.alpha)

    def _thresholds(self, samples: Samples) -> Thresholds:
        return parse_thresholds(self.how, self.alpha, samples.steps)

    def params(self, loss: str, samples: Samples) -> dict[str, Any]:
        """Rule and thresholds."""
        return {"rule": pick_rule(self.how.rule, loss), "thresholds": asdict(self._thresholds(samples))}

    def inputs(self) -> dict[str, str | list[str]]:
        """The digest of the judged rows."""
        return {"judged": self.table.digest()}

    def begin(self, samples: Samples, step: int, dataset: Dataset, gone: Mask | None) -> tuple[Keep, Report]:
        """As ``Judge.begin``. Raises InputError for a row that is none of the samples."""
        rule = pick_rule(self.how.rule, "bpr" if samples.label is None else "bce")
        keep, verdicts = decide(self.table, samples, step, rule, self._thresholds(samples), gone)
        return keep if gone is None else keep[~gone], lambda: (self.table, verdicts)


def read_judged(path: str, dataset: Dataset) -> Table:
    """Read judged rows, or noisy ones that nobody judged (none of them is hard)."""
    table = read_any(path, None if suffix_of(path) == ".npz" else "judged")
    if not isinstance(table, Table) or table.kind not in ("judged", "noisy"):
        raise InputError(f"holds {table.kind}, but judged rows are wanted here", where=path)
    table.kind = "judged"
    return recode(table, dataset.users, dataset.items)


def tell(verdicts: Table | None) -> str:
    """How many rows were noisy, hard and dropped, as the end of a sentence."""
    if verdicts is None:
        return ""
    hard = verdicts.columns["verdict"].count("hard")  # type: ignore[union-attr]
    return f"; {len(verdicts):,} noisy samples, {hard:,} of them hard and kept, {len(verdicts) - hard:,} dropped"


def pick_rule(rule: str | None, loss: str) -> str:
    """The rule for this objective, the paper's where none is given; ``PAIR,POINT`` names one for each objective.

    Samples without a negative of their own, bce's and softmax's, are judged as points. Raises UsageError for the other
    objective's rule.
    """
    known = {"bpr": PAIR_RULES, "bce": POINT_RULES}
    loss = loss if loss == "bpr" else "bce"
    if rule is None:
        return known[loss][0]
    given = dict(zip(known, rule.split(","), strict=True)) if rule.count(",") == 1 else {loss: rule}
    for objective, name in given.items():
        if name not in known[objective]:
            raise UsageError(f"`rule` {name} is not for `loss` {objective}; choose from {', '.join(known[objective])}")
    return given[loss]


def parse_thresholds(how: Judging, alpha: Span, epoch: float = 1) -> Thresholds:
    """The thresholds that the choices spell, where an epoch has ``epoch`` steps; ``alpha`` is that of those without their own.

    Raises UsageError for what is not spelt as their help says.
    """

    def moving(name: str) -> Moving:
        text = getattr(how, name)
        ends, own = text.rsplit(":", 1) if text.count(":") == 2 else (text, None)
        start, end = _numbers(name, ends, ":", 2)
        span = alpha if own is None else span_of(f"`{name}` {text}: its ALPHA", own)
        return Moving(start, end, steps_of(span, epoch))

    pair, positive, negative = map(moving, ("pair_threshold", "positive_threshold", "negative_threshold"))
    return Thresholds(pair, positive, negative, *_numbers("band", how.band, ",", 3))


def _numbers(name: str, text: str, separator: str, count: int) -> list[float]:
    parts = text.split(separator)
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UsageError(f"`{name}` {text}: must be {count} numbers separated by '{separator}'")
    return numbers


def decide(
    judged: Table,
    samples: Samples,
    step: int,
    rule: str,
    thresholds: Thresholds,
    gone: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], Table]:
    """Which samples of an epoch to keep, (n,) bool, and the verdict on each judged row.

    ``step`` is T of the first batch; samples that are ``gone`` anyway (n,) are dropped. Raises InputError for a judged
    row that is none of the samples, and where rows are missing of those that there were.
    """
    rows = _rows_of(judged, samples)
    _check_whole(judged, rows)
    nothing = np.full(len(judged), np.nan)
    score, negative_score = (judged[name] if name in judged else nothing for name in ("score", "negative_score"))
    at = step + samples.batch[rows]
    if samples.label is None:
        hard = hard_pairs(score, negative_score, at, thresholds, rule)
    else:
        hard = hard_points(score, samples.label[rows], at, thresholds, rule)
    hard &= judged["candidate"] == 1
    if gone is not None:
        hard &= ~gone[rows]
    keep = np.ones(len(samples), dtype=bool)
    keep[rows] = hard
    columns: dict[str, Column] = {
        name: judged[name] for name in ("user", "item", "negative", "label") if name in judged
    }
    columns["verdict"] = ["hard" if h else "dropped" for h in hard]
    return keep, Table("verdicts", columns, judged.users, judged.items)


def _check_whole(judged: Table, rows: NDArray[np.int64]) -> None:
    """Refuse judged rows of which a program on the way lost some: samples that are no rows here are not dropped."""
    if "noisy_rows" not in judged:
        return
    wanted, here = int(judged["noisy_rows"].max(initial=0)), len(np.unique(rows))
    if (len(rows), here) != (wanted, wanted):
        more = "pass every row through, or delete `noisy_rows` from all to leave some out on purpose"
        found = f"holds {here:,} of the epoch's {wanted:,} noisy rows" if here < wanted else "holds a row twice"
        raise InputError(f"{found}; {more}", where=judged.source)


def _rows_of(judged: Table, samples: Samples) -> NDArray[np.int64]:
    """The samples' row of each judged row: as its ``row`` says, else that of its batch which is the same."""
    if not len(judged):  # no records, so no fields either
        return np.zeros(0, dtype=np.int64)

    columns = ["batch", "user", "item", "negative" if samples.label is None else "label"]
    for name in columns:
        if name not in judged:
            raise InputError(f"field '{name}' is missing", where=judged.source)
    ours = np.stack([getattr(samples, name) for name in columns], axis=1).astype(np.int64)
    theirs = np.stack([judged[name] for name in columns], axis=1).astype(np.int64)
    if "row" in judged:
        rows = judged["row"]
        wrong = (rows < 0) | (rows >= len(samples))
        wrong[~wrong] = (ours[rows[~wrong]] != theirs[~wrong]).any(1)
    else:
        rows = np.array(_matches(ours.tolist(), theirs.tolist()), dtype=np.int64)
        wrong = rows < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            "is none of this epoch's samples; were these judged for another epoch?", where=judged.where(row)
        )
    return rows


def _matches(ours: list[list[int]], theirs: list[list[int]]) -> list[int]:
    """For each of their rows ours that is equal, -1 without one; of equal rows the k-th goes with the k-th."""
    equal: dict[tuple[int, ...], list[int]] = {}
    for row, key in reversed(list(enumerate(map(tuple, ours)))):
        equal.setdefault(key, []).append(row)
    found = []
    for key in map(tuple, theirs):
        rows = equal.get(key, [-1])
        found.append(rows.pop() if len(rows) > 1 else rows[0])
    return found
