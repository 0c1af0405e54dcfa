"""What training holds between epochs, as plain arrays; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Users and items of observed pairs, as codes, and how far a denoiser believed them, (n,) each
Trust = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


@dataclass
class State:
    """All that training needs to go on: parameters and Adam's moments by name (float32), finished epochs and steps (T),
    and what the denoiser remembers."""

    params: dict[str, NDArray[np.float32]]
    first: dict[str, NDArray[np.float32]]
    second: dict[str, NDArray[np.float32]]
    epoch: int = 0
    step: int = 0
    denoiser: dict[str, NDArray[Any]] = field(default_factory=dict)
