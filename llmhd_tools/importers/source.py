"""What every importer returns: interactions and texts, with the ids as the source spells them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "valid", "test")


@dataclass
class Interactions:
    """N rows in the order of the source; duplicates are kept. ``rating`` and ``timestamp`` (seconds) are finite."""

    user: list[str]  # (N,)
    item: list[str]  # (N,)
    rating: NDArray[np.float64] | None = None  # (N,)
    timestamp: NDArray[np.float64] | None = None  # (N,)

    def __post_init__(self) -> None:
        columns: list[Any] = [self.item, *(c for c in (self.rating, self.timestamp) if c is not None)]
        if any(len(column) != len(self.user) for column in columns):
            raise ValueError("the columns differ in length")

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def joined(cls, parts: Iterable[Interactions]) -> Interactions:
        """One after the other; a numeric column stays only if every part has it."""
        parts = list(parts)

        def column(name: str) -> NDArray[np.float64] | None:
            values = [getattr(part, name) for part in parts]
            return None if not values or any(v is None for v in values) else np.concatenate(values)

        user = [u for part in parts for u in part.user]
        item = [i for part in parts for i in part.item]
        return cls(user, item, column("rating"), column("timestamp"))


@dataclass
class Source:
    """A dataset as read.

    ``splits`` is empty unless the source comes split; then it holds some of ``train, valid, test`` and ``interactions``
    is all of them, in that order. ``items`` are ``{"item": id, "title"?, "profile"?, ...}``, ``profiles`` are
    ``{"user": id, "profile": text, ...}``; either may be empty, and neither need cover every id.
    """

    interactions: Interactions
    splits: dict[str, Interactions] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    shape: tuple[int, int] | None = None  # (users, items) where the source states it; rows may be empty

    @classmethod
    def of_splits(cls, splits: dict[str, Interactions], **rest: Any) -> Source:
        """A source that comes split: ``interactions`` is made from the splits, in the order train, valid, test."""
        ordered = {name: splits[name] for name in PARTS if name in splits}
        return cls(Interactions.joined(ordered.values()), ordered, **rest)
