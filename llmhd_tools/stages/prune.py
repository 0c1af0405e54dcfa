"""The high-loss samples of each batch, and which of them may be hard (LLMHD Eq. 5-10)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmhd_tools.core import pruning
from llmhd_tools.core.arrays import Embeddings
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.files.tables import Table
from llmhd_tools.stages.samples import samples_of


def prune(
    samples: Table,
    history: Sequence[Embeddings],
    rate: NoiseRate,
    step: int,
    *,
    candidates: float = 0.5,
    selection: str = "variance",
    link: str = "sigmoid",
    seed: int = 0,
) -> Table:
    """The noisy rows of a samples table, in row order; ``history`` in the table's codes, ``step`` the first T."""

    arrays = samples_of(samples)
    rows = pruning.noisy_rows(samples["loss"], arrays, step, rate)
    picked = samples.take(rows)
    positive = pruning.variance(history, picked["user"], picked["item"], link)
    negative = pruning.variance(history, picked["user"], picked["negative"], link) if "negative" in picked else None
    chosen = pruning.candidates(arrays, rows, positive, negative, candidates, selection, seed, step)
    columns = {"row": rows, **picked.columns, "variance": positive}
    if negative is not None:
        columns["negative_variance"] = negative
    columns["candidate"] = chosen.astype(np.int8)
    return Table("noisy", columns, samples.users, samples.items, extra=picked.extra, source=samples.source)
