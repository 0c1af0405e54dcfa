"""Random numbers that depend on (seed, epoch, stage) alone, so that any stage can be run again by itself."""

from __future__ import annotations

import numpy as np


def generator(seed: int, epoch: int, stage: str) -> np.random.Generator:
    """A generator for one stage of one epoch; other stages and epochs draw independently of it."""
    return np.random.default_rng([seed, epoch, *stage.encode()])
