"""Why there is no answer: one reason for many rows, in place of ten thousand lines or of none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

MOST_KINDS = 1000  # of reasons that are told apart


class Reasons:
    """The errors of rows, alike but for what they quote; ``str`` gives the most frequent, as the end of a sentence."""

    def __init__(self, errors: Iterable[str | None] = ()) -> None:
        self._count: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self.add_all(errors)

    def add_all(self, errors: Iterable[str | None]) -> int:
        """Count some errors; how many there are."""
        found = [error for error in errors if error is not None]
        for error in found:
            self.add(error)
        return len(found)

    def add(self, error: str | None) -> None:
        """Count an error; None is none."""
        if error is None:
            return
        kind = re.sub(r"'.*'", "''", error)
        if kind in self._first or len(self._first) < MOST_KINDS:
            self._first.setdefault(kind, error)
            self._count[kind] += 1

    def __str__(self) -> str:
        if not self._count:
            return ""
        ((kind, _),) = self._count.most_common(1)
        return f" ({'mostly' if len(self._first) > 1 else 'the reason'}: {self._first[kind]})"
