"""All that can be measured of a finished epoch's embeddings: ranking, dislikes, known noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, from_records, recode
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.dislikes import disliked_metrics
from llmhd_tools.measure.known_noise import cut_metrics, noise_metrics
from llmhd_tools.measure.ranking import parse_at, parse_metrics, rank_metrics, tell_excluded, tell_unknown
from llmhd_tools.settings import Measuring, pick
from llmhd_tools.stages.dataset import by_user, dataset_of
from llmhd_tools.stages.edges import Drop, drop_of


def evaluate(
    embeddings: Tensors,
    test: Table,
    how: Measuring | None = None,
    *,
    exclude: Sequence[Table] = (),
    split: str = "test",
    per_user: bool = False,
    disliked: Table | None = None,
    noise: Table | None = None,
    verdicts: Table | None = None,
    drop: Table | None = None,
    confidence: int = 3,
    **choices: Any,
) -> Table:
    """The metrics of held-out interactions, all items ranked but those of ``exclude``; means over users with test items.

    ``embeddings`` may be of kind ``ranker`` as well: what ``fit`` makes.
    A pair of ``test`` that is in ``exclude`` too is ranked all the same, with a warning. Equal scores are ranked as by
    chance (``core.ties``).

    ``disliked`` are held-out dislikes. ``noise`` are training interactions with known noise, which a high loss,
    ``verdicts`` and the pairs of ``drop`` (suspects, or flags of ``confidence`` and more) are measured against.
    ``choices`` are those of ``Measuring`` by name. Raises UsageError and InputError where these do not fit.
    """
    how, z = pick(Measuring, how, choices), embeddings
    at, names = parse_at(how.at), parse_metrics(how.metrics)
    if noise is None and (verdicts is not None or drop is not None):
        what = "verdicts" if verdicts is not None else "drop"
        raise UsageError(f"`{what}` is measured against known noise; give `noise`")
    hidden = [by_user(table, z.users, z.items) for table in exclude]
    tell_unknown(test, z.users, z.items, how.unknown)
    tell_excluded(test, z, hidden)
    records = rank_metrics(z, test, hidden, at, names, split, how.unknown, per_user, tell_ties=True)
    if disliked is not None:
        tell_unknown(disliked, z.users, z.items, how.unknown)
        records += disliked_metrics(z, test, disliked, hidden, at, split, how.unknown, per_user)
    cut: Drop | None = None
    if noise is not None:
        records += noise_metrics(z, noise, verdicts)
        if drop is not None:
            observed = dataset_of(noise)
            cut = drop_of(recode(drop, observed.users, observed.items), observed, confidence)
            records += cut_metrics(z, cut, observed, noise)
    found = from_records("metrics", records, "metrics")
    params: Record = asdict(how) | {"at": at, "metrics": names, "split": split, "per_user": per_user}
    inputs = _digests(z, test, exclude, noise, disliked, verdicts)
    if cut is not None:
        inputs["drop"], params = cut.digest, params | cut.params
    found.meta = {"made": made("evaluate", params, inputs)}
    return found


def _digests(
    z: Tensors,
    test: Table,
    exclude: Sequence[Table],
    noise: Table | None,
    disliked: Table | None,
    verdicts: Table | None,
) -> dict[str, str | list[str]]:
    """Of what counts in each input."""
    inputs: dict[str, str | list[str]] = {
        "embeddings": z.digest(),
        "test": test.digest("user", "item"),
        "exclude": [table.digest("user", "item") for table in exclude],
    }
    if noise is not None:
        inputs["noise"] = noise.digest(*(name for name in ("user", "item", "noise", "hard") if name in noise))
    if disliked is not None:
        inputs["disliked"] = disliked.digest("user", "item")
    if verdicts is not None:
        inputs["verdicts"] = verdicts.digest()
    return inputs
