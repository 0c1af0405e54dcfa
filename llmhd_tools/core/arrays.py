"""Arrays that everything is made of, and the few sums that must come out the same everywhere."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]  # of users or items
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Embeddings = tuple[NDArray[np.float32], NDArray[np.float32]]  # z of users (n, d) and of items (m, d)

_GUARD = 1e-9  # far above what a product of a share and a count is off by, far below what a share can mean

Size = TypeVar("Size", int, NDArray[np.int64])


def floor_share(share: float, size: Size) -> Size:
    """⌊share·size⌋, where 0.07·100 is 7 although its float product may lie below; of a number, or of each of (n,)."""
    return _whole(np.floor(share * np.asarray(size) + _GUARD), size)


def ceil_share(share: float, size: Size) -> Size:
    """⌈share·size⌉, where 0.28·25 is 7 although its float product lies above; of a number, or of each of (n,)."""
    return _whole(np.ceil(share * np.asarray(size) - _GUARD), size)


def round_share(share: float, size: Size) -> Size:
    """⌊share·size + ½⌋, where half of an odd number counts up; of a number, or of each of (n,)."""
    return _whole(np.floor(share * np.asarray(size) + 0.5 + _GUARD), size)


def _whole(found: Floats, like: Size) -> Size:
    return int(found) if isinstance(like, int) else found.astype(np.int64)


def pair_keys(user: Codes, item: Codes, n_items: int) -> NDArray[np.int64]:
    """One number for each pair (user[k], item[k]) of codes, (n,); pairs in order of user and item have ascending numbers."""
    return user.astype(np.int64) * n_items + item
