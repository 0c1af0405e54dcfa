"""Ids are the user's own strings or integers; arrays hold codes 0..n-1 into a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Id = str | int
Codes = NDArray[np.int32]


class Ids:
    """The ids of one side (users or items) in the order of their codes.

    ``5`` and ``"5"`` name the same thing, ``"05"`` is another; an id is written back as it was first spelt.
    """

    def __init__(self, names: Sequence[Id] = ()) -> None:
        self.names: list[Id] = list(names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Code of each id by its text."""
        return {str(name): code for code, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def add(self, values: Iterable[Id]) -> Codes:
        """Codes of ``values``, (n,) int32; ids not seen before get the next codes."""
        index, names = self.index, self.names
        codes = []
        for value in values:
            key = str(value)
            code = index.get(key)
            if code is None:
                code = index[key] = len(names)
                names.append(value)
            codes.append(code)
        return np.array(codes, dtype=np.int32)

    def find(self, values: Iterable[Id]) -> Codes:
        """Codes of ``values``, (n,) int32; -1 for an id that is not in the table."""
        get = self.index.get
        return np.array([get(str(value), -1) for value in values], dtype=np.int32)

    def translate(self, other: Ids) -> Codes:
        """For each code of this table its code in ``other``, (len(self),) int32; -1 where ``other`` lacks it."""
        return other.find(self.names)

    def take(self, codes: NDArray[np.int32] | NDArray[np.int64]) -> list[Id]:
        """The ids behind ``codes``."""
        names = self.names
        return [names[code] for code in codes.tolist()]
