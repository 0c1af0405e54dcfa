"""The files of LightGCN, NGCF and KGAT: ``train.txt`` and ``test.txt``, a user and all of her items on a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmhd_tools.errors import InputError
from llmhd_tools.importers.item_texts import ItemTexts
from llmhd_tools.importers.rows import Rows
from llmhd_tools.importers.source import Source
from llmhd_tools.importers.text import BadRows, Lines, name_of, shown
from llmhd_tools.notes import many

_FILES = {"train": ("train.txt",), "valid": ("valid.txt", "val.txt", "validation.txt"), "test": ("test.txt",)}


def read(
    path: Path,
    *,
    texts: str | None = None,
    texts_item: str = "item",
    text: Sequence[str] = ("profile",),
    title: str | None = None,
    texts_delimiter: str | None = None,
    texts_encoding: str | None = None,
    bad: BadRows | None = None,
) -> Source:
    """A folder with ``train.txt`` and ``test.txt`` (and perhaps ``valid.txt``) as splits, or one such file as a whole.

    Ids are the numbers that stand there. A user without items makes no row; how many there are is told. Item texts are of a
    table of their own (``item_texts.ItemTexts``). A user on two lines is an InputError, for then it is another format.
    """
    bad = bad or BadRows()
    files = {"": path} if path.is_file() else _find(path)
    gathered: dict[str, Rows] = {}
    told: list[str] = []
    for part, file in files.items():
        lines = Lines(file, bad=bad)
        gathered[part] = Rows(lines, like=next(iter(gathered.values()), None))
        if idle := _gather(lines, gathered[part]):
            told.append(f"{name_of(file)}: {many(idle, 'user')} without items")
        told += lines.told()
    items: list[dict[str, str]] = []
    if texts is not None:
        found = ItemTexts(Path(texts), texts_item, text, title, texts_delimiter, encoding=texts_encoding or "utf-8")
        items, more = found.read(bad)
        told += more
    parts = {part: rows.done() for part, rows in gathered.items()}
    if "" in parts:
        return Source(parts[""], items=items, told=told)
    return Source.of_splits(parts, items=items, told=told)


def _find(folder: Path) -> dict[str, Path]:
    if not folder.exists():
        raise InputError("no such file or folder", where=folder)
    found = {
        part: file for part, names in _FILES.items() for file in (folder / name for name in names) if file.exists()
    }
    if "train" not in found:
        raise InputError("holds no train.txt; is it a folder of LightGCN, NGCF or KGAT?", where=folder)
    return found if len(found) > 1 else {"": found["train"]}


def _gather(lines: Lines, rows: Rows) -> int:
    """Read a file's rows; returns how many users have none."""
    seen: set[str] = set()
    idle = 0
    for line in lines:
        user, *items = line.split() or [""]
        if not user:
            lines.blank += 1
            continue
        if user in seen:
            way_out = "for a table of a pair a line use `import csv --delimiter ' ' --no-header --user 1 --item 2`"
            raise lines.error(f"user {shown(user)} has two lines, must have one, with all items; {way_out}")
        if not items and ("," in user or "::" in user):
            raise lines.error(f"{shown(user)} is not a user and items separated by spaces; is it CSV?")
        seen.add(user)
        idle += not items
        for item in items:
            rows.add(user, item)
    return idle
