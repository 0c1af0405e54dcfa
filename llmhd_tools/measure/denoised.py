"""How far a noise score can be trusted where noise is known, in a line or two."""

from __future__ import annotations

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.auc import auc
from llmhd_tools.files.table import Table
from llmhd_tools.stages.denoise import Evidence

_PARTS = 10


def tell_noise(rows: Table, found: Evidence) -> None:
    """Say what the score is worth against the ``noise`` marks of the rows; without any, that it ranks and no more."""
    marked = rows["noise"] >= 0 if "noise" in rows else np.zeros(len(rows), dtype=bool)
    noise, score, called = rows["noise"][marked] == 1 if marked.any() else marked[:0], found.noise_score, found.is_noise
    value = auc(score[marked], noise) if marked.any() else None
    if value is None:
        notes.note("noise_score ranks the rows; it is no probability, and nothing here tells how much of them is noise")
        return
    shares = [_share(noise[called[marked]]), _share(noise[~called[marked]])]
    notes.note(
        f"known noise, {noise.mean():.1%} of {notes.many(len(noise), 'row')}: AUC of noise_score {value:.3f}; noise is "
        f"{shares[0]} of the rows called noise and {shares[1]} of the others"
    )
    order = np.argsort(score[marked], kind="stable")
    tenths = [_share(noise[part]) for part in np.array_split(order, _PARTS)]
    notes.note(f"calibration: the known share of each tenth, from the lowest noise_score: {' '.join(tenths)}")


def _share(noise: np.ndarray) -> str:
    return f"{noise.mean():.1%}" if len(noise) else "none"
