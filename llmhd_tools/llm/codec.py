"""Vectors as text: how they travel and are kept."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

TEXT_CHARS = 4_000
Vector = npt.NDArray[np.float32]


def pack(vectors: npt.NDArray[Any]) -> str:
    """Numbers as text."""
    return base64.b64encode(vectors.astype("<f4").tobytes()).decode()


def unpack(text: str) -> Vector:
    """The vector behind :func:`pack`. Raises ValueError for another text."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
