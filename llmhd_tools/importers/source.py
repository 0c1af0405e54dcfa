"""What every importer returns: interactions and texts, with the ids as the source spells them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table

PARTS = ("train", "valid", "test")
NUMBERS = ("rating", "weight", "noise", "timestamp")  # the columns that a source may or may not have

Codes = NDArray[np.int32]


@dataclass(eq=False)
class Interactions:
    """N rows in the order of the source; repeated pairs are kept. Ids are codes into the distinct ones.

    ``numbers`` are the columns of ``NUMBERS`` that the source has, (N,) each: ``rating`` and ``timestamp`` (of dates the
    seconds since 1970, UTC) finite, ``weight`` above 0, ``noise`` bool. ``line`` says where in ``file`` each row stands,
    from 1.
    """

    users: list[str]
    items: list[str]
    user: Codes  # (N,)
    item: Codes  # (N,)
    line: Codes  # (N,)
    numbers: dict[str, NDArray[Any]] = field(default_factory=dict)
    file: str = ""

    def __post_init__(self) -> None:
        if any(len(column) != len(self.user) for column in (self.item, self.line, *self.numbers.values())):
            raise ValueError("the columns differ in length")

    def __len__(self) -> int:
        return len(self.user)

    def table(self) -> Table:
        """The rows as a table of kind ``interactions``; row k is row k here."""
        columns = {"user": self.user, "item": self.item, **self.numbers}
        if "noise" in columns:
            columns["noise"] = self.numbers["noise"].astype(np.int8)
        return Table("interactions", {**columns}, Ids(self.users), Ids(self.items), source=self.file)


@dataclass
class Source:
    """A dataset as read.

    ``splits`` is empty unless the source comes split; then it holds some of ``train, valid, test`` and ``interactions``
    is all of them, in that order, all with the same ids behind their codes. ``items`` are ``{"item": id, "title"?,
    "profile"?, ...}``, ``profiles`` are ``{"user": id, "profile": text, ...}``; either may be empty, and neither need cover
    every id. ``told`` is what a person should know of the reading, a sentence each, with counts.
    """

    interactions: Interactions
    splits: dict[str, Interactions] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    shape: tuple[int, int] | None = None  # (users, items) where the source states it; rows may be empty
    told: list[str] = field(default_factory=list)

    @classmethod
    def of_splits(cls, splits: dict[str, Interactions], **rest: Any) -> Source:
        """A source that comes split: ``interactions`` is made of the splits, in the order train, valid, test.

        Their codes must be of the same ids, of which each split knows those that were there when it was read.
        """
        ordered = {name: splits[name] for name in PARTS if name in splits}
        parts = list(ordered.values())
        users, items = max((p.users for p in parts), key=len), max((p.items for p in parts), key=len)
        for part in parts:
            part.users, part.items = users, items
        whole = {name for name in NUMBERS if all(name in part.numbers for part in parts)}
        numbers = {name: np.concatenate([part.numbers[name] for part in parts]) for name in NUMBERS if name in whole}
        user, item, line = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("user", "item", "line")
        )
        return cls(Interactions(users, items, user, item, line, numbers), ordered, **rest)
