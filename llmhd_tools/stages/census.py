"""What a dataset holds, and what is odd about its ids and texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.notes import many

_EMPTY = {"nan", "none", "null", "na", "n/a", "<na>", "nat", "nil", "undefined", "(null)"}
_WHOLE = re.compile(r"(-?)0*(\d+)(?:\.0+)?")

# what an id may look like -> what that may come from
_ODD: dict[str, tuple[Callable[[str], object], str]] = {
    "are fractions": (re.compile(r"-?\d+\.0+").fullmatch, "a table program made fractions of numbers"),
    "have an exponent": (re.compile(r"\d(\.\d+)?[eE]\+?\d+").fullmatch, "a table program shortened long numbers"),
    "stand for nothing": (lambda name: name.strip().lower() in _EMPTY, "a missing value that became a text"),
    "have spaces around them": (lambda name: name != name.strip(), "the same id without them is another one"),
    "stand in quotes": (lambda name: len(name) > 1 and name[0] == name[-1] == '"', "`quote` reads them"),
    "hold control characters": (
        lambda name: not name.replace("\xad", "").isprintable(),
        "lines or cells may be cut wrongly",
    ),
}


def used(tables: Iterable[Table], side: str) -> list[str]:
    """The ids of one side that have a row in some of the tables, all of the same id tables, as texts."""
    tables = list(tables)
    codes = np.unique(np.concatenate([table[side] for table in tables]))
    return [str(name) for name in tables[0].ids(side).take(codes)]


def odd_ids(side: str, names: Collection[str]) -> list[str]:
    """A sentence for each way in which some ids of a side ("user", "item") look wrong, with a count and an example."""
    told = []
    for what, (is_odd, why) in _ODD.items():
        if found := [name for name in names if is_odd(name)]:
            told.append(f"{len(found):,} of {len(names):,} {side} ids {what}, such as {found[0]!a}: {why}")
    forms: dict[str, str] = {}
    twins = [(name, other) for name in names if (other := forms.setdefault(plain(name), name)) != name]
    if twins:
        example = f"{twins[0][0]!a} and {twins[0][1]!a}"
        told.append(
            f"{many(len(twins), 'pair')} of {side} ids differ by zeros or spaces only, such as {example}: are they the same?"
        )
    return told


def plain(name: str) -> str:
    """The id without what table programs add or take away: outer spaces, leading zeros, a fraction of nothing."""
    text = name.strip()
    whole = _WHOLE.fullmatch(text)
    return "".join(whole.groups()) if whole else text


def texts_of_items(names: Collection[str], items: Sequence[Record]) -> tuple[int, str]:
    """How many of the items have a text, and what may be wrong where some have none ("": nothing that can be told)."""
    texts = {str(record["item"]) for record in items if str(record.get("profile", "")).strip()}
    without = [name for name in names if name not in texts]
    if not texts or not without:
        return len(names) - len(without), ""
    forms = {plain(text): text for text in texts}
    if near := [name for name in without if plain(name) in forms]:
        example = f"{near[0]!a}, while the texts have {forms[plain(near[0])]!a}"
        return len(names) - len(
            without
        ), f"{many(len(near), 'item')} without text for an id that is spelt otherwise, such as {example}"
    if len(without) == len(names):
        example = f"items are such as {without[0]!a}, texts such as {min(texts)!a}"
        return 0, f"not one of {many(len(texts), 'text')} is of an item that has a row: {example}"
    return len(names) - len(without), ""


def summary(read: int, bad: int, left_out: Mapping[str, int], left: int, users: int, items: int, texts: str) -> str:
    """One line on what became of the rows that were read."""
    counts = {**left_out, **({"bad": bad} if bad else {})}
    gone = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return f"{many(read, 'row')} read: {gone}; {left:,} left, of {many(users, 'user')} and {many(items, 'item')}{texts}"
