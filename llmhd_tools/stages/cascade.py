"""Ask a language model about the doubtful pairs only, as deep into them as a sample says is deep enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.arrays import Codes, Floats
from llmhd_tools.core.cascade import fewest_found, lowest_signal
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Cascading, Service, pick
from llmhd_tools.stages.rankers import codes, ranker_of

_SAID = ("score", "p_mass", "spread", "error", "model")


def check_cascade(how: Cascading, service: Service) -> None:
    """Raise UsageError where there are no answers by which to go on."""
    if how.cascade is not None and (service.dry_run or service.requests or service.responses):
        raise UsageError("`cascade` goes by answers as they come; without --dry-run, --requests and --responses")


def cascade(
    suspects: Table,
    ask: Callable[[Table], Table],
    how: Cascading | None = None,
    seed: int = 0,
    proxy: Tensors | None = None,
    **choices: Any,
) -> Table:
    """Suspects as ``ask`` (``score``) gives them back, asked about only as far as they are suspicious enough.

    Of the pairs that are cut, ``label_budget`` are drawn uniformly and asked about. Those scored at ``noise_below`` or
    lower are findings, and they say from which suspicion on the share ``cascade`` of all findings lies, but for a chance
    of ``delta`` (``core.cascade.lowest_signal``). Pairs from there on are asked about too; the others are not ``cut`` any
    more. ``proxy`` are embeddings whose dot product is a score (``distil``), and speak in the place of the suspicion.
    ``choices`` are those of ``Cascading`` by name; without ``cascade`` all are asked about. Raises UsageError for a table
    of another kind, InputError where there are too few findings to tell.
    """
    how = pick(Cascading, how, choices)
    if how.cascade is None:
        return ask(suspects)
    signal = _signal(suspects, proxy)
    due = np.flatnonzero(suspects["cut"] == 1)
    sample = np.sort(generator(seed, 0, "cascade").permutation(due)[: how.label_budget])
    first = ask(_to_judge(suspects, sample))
    if len(sample) == len(due):
        return first
    found = sample[first["score"][sample] <= how.noise_below]
    threshold = lowest_signal(signal[found], how.cascade, how.delta)
    if threshold is None:
        raise InputError(
            f"of {len(sample):,} pairs asked about {len(found):,} score {how.noise_below:g} or less, and a recall of "
            f"{how.cascade:g} takes {fewest_found(how.cascade, how.delta):,} such: raise --label-budget (what was answered "
            "is kept where there is a cache), or lower --cascade",
            where=suspects.source,
        )
    rest = np.setdiff1d(due[signal[due] >= threshold], sample)
    notes.note(
        f"cascade: {len(found):,} of {len(sample):,} pairs drawn score {how.noise_below:g} or less; but for a chance of "
        f"{how.delta:g} {how.cascade:.4g} of all such lie at {threshold:.4g} or above: {len(rest):,} more are asked about, "
        f"{len(due) - len(sample) - len(rest):,} are not"
    )
    return _beside(first, ask(_to_judge(suspects, rest)), sample, np.concatenate([sample, rest]))


def _signal(suspects: Table, proxy: Tensors | None) -> Floats:
    """How suspicious each pair is at no cost, (n,): its ``suspicion``, or the less, the more ``proxy`` gives it."""
    if suspects.kind != "suspects":
        raise UsageError(
            f"`cascade` chooses among suspects, and {suspects.source} holds none; make them with `llmhd suspect`"
        )
    if proxy is not None:
        user, item = codes(proxy, "user", suspects.users), codes(proxy, "item", suspects.items)
        return -ranker_of(proxy).predictions(user[suspects["user"]], item[suspects["item"]])
    if "suspicion" not in suspects or np.isnan(suspects["suspicion"]).any():
        raise InputError(
            "has rows without suspicion, by which `cascade` chooses; or give `proxy`", where=suspects.source
        )
    return np.asarray(suspects["suspicion"])


def _to_judge(suspects: Table, rows: Codes) -> Table:
    """The same pairs with only some marked as cut."""
    cut = np.zeros(len(suspects), dtype=np.int8)
    cut[rows] = 1
    columns: dict[str, Column] = {**suspects.columns, "cut": cut}
    return Table("suspects", columns, suspects.users, suspects.items, suspects.meta, suspects.extra, suspects.source)


def _beside(first: Table, second: Table, sample: Codes, asked: Codes) -> Table:
    """The answers of both, those of ``sample`` from the first; only ``asked`` stay cut."""
    columns: dict[str, Column] = dict(second.columns)
    for name in _SAID:
        one, other = first.columns.get(name), second.columns.get(name)
        if isinstance(one, list) and isinstance(other, list):  # error, model
            texts = list(other)
            for row in sample.tolist():
                texts[row] = one[row]
            columns[name] = texts
        elif one is not None or other is not None:
            values = np.full((2, len(second)), np.nan)
            for said, given in zip(values, (one, other), strict=True):
                said[:] = np.nan if given is None else given
            values[1, sample] = values[0, sample]
            columns[name] = values[1]
    cut = np.zeros(len(second), dtype=np.int8)
    cut[asked] = 1
    columns["cut"] = cut
    return Table("suspects", columns, second.users, second.items, second.meta, second.extra, second.source)
