"""Appraisals as a signal: one standardised number an item, which may be dealt out anew as a control."""

from __future__ import annotations

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table


def scores_of(appraisals: Table, items: Ids, shuffle: int | None = None) -> Floats:
    """The appraisal of each item, (n,); NaN for one without. The last counts of an item that stands twice.

    With a seed ``shuffle`` the appraised items hand them round among themselves. How many items have none is told. Raises
    InputError where none has one.
    """
    found = np.full(len(items), np.nan)
    code = appraisals.items.translate(items)[appraisals["item"]]
    found[code[code >= 0]] = appraisals["score"][code >= 0]
    known = np.flatnonzero(np.isfinite(found))
    if not len(known):
        raise InputError("appraises none of the items of training", where=appraisals.source)
    if len(known) < len(items):
        notes.note(f"{len(items) - len(known):,} of {len(items):,} items have no appraisal and count as the mean")
    if shuffle is not None:
        found[known] = found[known[generator(shuffle, 0, "shuffle-prior").permutation(len(known))]]
    return found


def standardised(scores: Floats) -> Floats:
    """Appraisals of mean 0 and deviation 1 over the items that have one, (n,); 0 for the others."""
    spread = float(np.nanstd(scores)) or 1.0
    return np.asarray(np.nan_to_num((scores - np.nanmean(scores)) / spread))
