"""Samples between tables and arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.sampling import Samples
from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.table import Table
from llmhd_tools.stages.dataset import Dataset


def samples_of(table: Table) -> Samples:
    """The arrays of a samples table. Raises InputError where it is neither pairwise nor pointwise, or out of order."""
    if ("negative" in table) == ("label" in table):
        raise InputError("samples need either 'negative' (pairwise) or 'label' (pointwise)", where=table.source)
    steps = np.diff(table["batch"], prepend=0)
    if ((steps < 0) | (steps > 1)).any():
        row = int(np.argmax((steps < 0) | (steps > 1)))
        raise InputError("batches are not numbered 0, 1, 2, … in order", where=table.where(row))
    return Samples(
        table["batch"],
        table["user"],
        table["item"],
        table["negative"] if "negative" in table else None,
        table["label"] if "label" in table else None,
    )


def table_of(samples: Samples, loss: NDArray[np.float32], dataset: Dataset) -> Table:
    """The samples table of arrays in the training codes, with the losses (n,)."""
    names = ("batch", "user", "item", "negative", "label")
    columns: dict[str, Column] = {n: column for n in names if (column := getattr(samples, n)) is not None}
    return Table("samples", columns | {"loss": loss}, dataset.users, dataset.items)
