"""The high-loss samples of each batch, and which of them may be hard (LLMHD Eq. 5-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from llmhd_tools.core import pruning
from llmhd_tools.core.arrays import Embeddings
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.errors import UsageError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Pruning, pick
from llmhd_tools.settings.spans import steps_of
from llmhd_tools.stages.dataset import align
from llmhd_tools.stages.samples import samples_of


def prune(
    samples: Table,
    history: Sequence[Tensors],
    how: Pruning | None = None,
    *,
    step: int | None = None,
    seed: int = 0,
    **choices: Any,
) -> Table:
    """The noisy rows of the coming epoch's samples, in row order, with variances and which of them are candidates.

    ``history`` holds the embeddings of the last epochs, oldest first; with fewer than two nothing is a candidate.
    ``step`` is T of the first batch, where the samples do not say it; ``choices`` are those of ``Pruning`` by name.
    Raises UsageError where T is unknown or contradicts the samples.
    """
    how = pick(Pruning, how, choices)
    first = samples.meta.get("step", step)
    if first is None:
        raise UsageError(f"{samples.source} does not say its first step; give it with `step`")
    if step not in (None, first):
        raise UsageError(f"`step` {step} contradicts {samples.source}, whose first step is {first}; leave it out")
    noisy = noisy_rows(samples, align(history, samples.users, samples.items), how, first, seed)
    noisy.columns["noisy_rows"] = np.full(len(noisy), len(noisy), dtype=np.int64)
    params = asdict(how) | {"step": first, "seed": seed}
    inputs: dict[str, str | list[str]] = {"samples": samples.digest(), "history": [z.digest() for z in history]}
    noisy.meta = {"made": made("prune", params, inputs)}
    return noisy


def noisy_rows(
    samples: Table, history: Sequence[Embeddings], how: Pruning, step: int, seed: int, epoch: int | None = None
) -> Table:
    """The noisy rows of some samples; ``history`` in the table's codes, ``step`` the first T.

    ``epoch`` is how many steps an epoch has, where the samples are not all of one.
    """
    arrays = samples_of(samples)
    rate = NoiseRate(steps_of(how.alpha, arrays.steps if epoch is None else epoch), how.max_noise, how.schedule)
    rows = pruning.noisy_rows(samples["loss"], arrays, step, rate)
    picked = samples.take(rows)
    positive = pruning.variance(history, picked["user"], picked["item"], how.link)
    negative = pruning.variance(history, picked["user"], picked["negative"], how.link) if "negative" in picked else None
    chosen = pruning.candidates(arrays, rows, positive, negative, how.candidates, how.selection, seed, step)
    columns = {"row": rows, **picked.columns, "variance": positive}
    if negative is not None:
        columns["negative_variance"] = negative
    columns["candidate"] = chosen.astype(np.int8)
    return Table("noisy", columns, samples.users, samples.items, extra=picked.extra, source=samples.source)
