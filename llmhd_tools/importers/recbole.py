"""RecBole atomic files: ``NAME.inter`` and ``NAME.item``, tab-separated under a typed header ``field:type``."""

from __future__ import annotations

import re
from operator import itemgetter
from pathlib import Path
from typing import Any

from llmhd_tools.errors import InputError
from llmhd_tools.importers.cells import Form, table
from llmhd_tools.importers.rows import Rows, number
from llmhd_tools.importers.source import PARTS, Source
from llmhd_tools.importers.text import BadRows, Lines, name_of, shown
from llmhd_tools.notes import many

_FORM = Form("\t", quote=None)
_TYPES = ("token", "token_seq", "float", "float_seq")


def read(
    path: Path,
    *,
    name: str | None = None,
    user: str = "user_id",
    item: str = "item_id",
    rating: str = "rating",
    timestamp: str = "timestamp",
    bad: BadRows | None = None,
) -> Source:
    """A dataset from a folder of atomic files or from one ``.inter`` file, with the ``.item`` file beside it.

    In a folder, ``NAME.train.inter`` (``.valid``, ``.test``) wins over ``NAME.inter``; to read the latter whole, give
    the file itself. ``name`` chooses where a folder holds several datasets. ``user``… are field names, as in
    RecBole's USER_ID_FIELD…; rating and timestamp are taken if the file has them. Fields are split at tabs with no
    quoting.

    Item records hold every field under its own name (token: string, token_seq: list of strings split at spaces,
    floats: numbers; blank ones left out, and cells of floats that are no number, with a count), but the first token field
    called title or name, or ending in _title or _name, becomes ``title``, unsplit. ``profile`` is a field of that name if
    there is one, otherwise "title. field: text. field: text." over the token and token_seq fields in file order, ids
    (``…_id``) left out. An item without any text is left out, with a count. Bad rows go to ``bad``.
    """
    bad = bad or BadRows()
    base, files = _find(path, name)
    fields = (user, item, rating, timestamp)
    gathered: dict[str, Rows] = {}
    told: list[str] = []
    for part, file in files.items():
        lines = Lines(file, bad=bad)
        gathered[part] = _interactions(lines, fields, next(iter(gathered.values()), None))
        told += lines.told()
    items: list[dict[str, Any]] = []
    if (item_file := base.with_name(base.name + ".item")).exists():
        items, more = _Items(Lines(item_file, bad=bad), item).read()
        told += more
    parts = {part: rows.done() for part, rows in gathered.items()}
    if "" in parts:
        return Source(parts[""], items=items, told=told)
    return Source.of_splits(parts, items=items, told=told)


def _find(path: Path, name: str | None) -> tuple[Path, dict[str, Path]]:
    """The dataset's path without suffixes, and its ``.inter`` files by part ("" is the whole)."""
    if path.is_file():
        return _base(path), {"": path}
    if not path.exists():
        raise InputError("no such file or folder", where=path)
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(path.glob("*.inter")):
        base = _base(file)
        found.setdefault(base.name, {})[file.name[len(base.name) + 1 : -len(".inter")]] = file
    if name is not None:
        found = {base: files for base, files in found.items() if base == name}
    if len(found) != 1:
        what = f"holds several datasets ({', '.join(found)}); say which" if found else "holds no .inter file"
        raise InputError(what + (f" of '{name}'" if name is not None else ""), where=path)
    base_name, files = found.popitem()
    if "train" in files:
        files.pop("", None)
    elif "" not in files:
        raise InputError(f"holds neither {base_name}.inter nor {base_name}.train.inter", where=path)
    else:
        files = {"": files[""]}
    return path / base_name, files


def _base(file: Path) -> Path:
    stem = file.name.removesuffix(".inter")
    head, _, part = stem.rpartition(".")
    return file.with_name(head if head and part in PARTS else stem)


def _header(cells: list[str], lines: Lines) -> dict[str, str]:
    """Field name -> type, in file order."""
    types: dict[str, str] = {}
    for cell in cells:
        name, _, kind = cell.rpartition(":")
        if not name or kind not in _TYPES or name in types:
            raise lines.error(f"header field {shown(cell)} is not a new NAME:TYPE (TYPE: {', '.join(_TYPES)})")
        types[name] = kind
    return types


def _interactions(lines: Lines, fields: tuple[str, str, str, str], like: Rows | None) -> Rows:
    header, cells = table(lines, _FORM)
    types = _header(header, lines)
    user, item, rating, timestamp = fields
    for field, kind in ((user, "token"), (item, "token"), (rating, "float"), (timestamp, "float")):
        if kind == "token" and field not in types:
            raise lines.error(f"field '{field}' is not among {', '.join(types)}")
        if types.get(field, kind) != kind:
            raise lines.error(f"field '{field}' is of type {types[field]}, must be {kind}")
    numbers = {name: field for name, field in (("rating", rating), ("timestamp", timestamp)) if field in types}
    pick = itemgetter(*map(list(types).index, (user, item, *numbers.values())))
    rows = Rows(lines, numbers, like=like)
    for row in cells:
        if _whole(row, types, lines):
            rows.add(*pick(row))
    return rows


def _whole(row: list[str], types: dict[str, str], lines: Lines) -> bool:
    """Whether a row has as many cells as the header; otherwise it is bad."""
    if len(row) != len(types):
        lines.bad(f"row has {len(row)} fields separated by tabs, must have {len(types)}")
    return len(row) == len(types)


class _Items:
    """Reads an ``.item`` file."""

    def __init__(self, lines: Lines, id_field: str) -> None:
        self._lines, self._id = lines, id_field
        header, self._cells = table(lines, _FORM)
        self._types = _header(header, lines)
        if id_field not in self._types:
            raise lines.error(f"field '{id_field}' is not among {', '.join(self._types)}")
        named = (
            f for f, kind in self._types.items() if kind.startswith("token") and re.search("(^|_)(title|name)$", f)
        )
        self._title = next(named, "title" if "title" in self._types else None)
        self._junk: dict[
            str, tuple[int, int, str]
        ] = {}  # field -> cells that are no number, line and text of the first

    def read(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The records, and what a person should know of what was left out."""
        records: dict[str, dict[str, Any]] = {}
        for row in self._cells:
            if not _whole(row, self._types, self._lines):
                continue
            cells = dict(zip(self._types, row, strict=True))
            item = cells.pop(self._id)
            if not item.strip() or item in records:
                self._lines.bad(f"item {shown(item)} is there twice" if item.strip() else "empty item id")
                continue
            records[item] = {"item": item, **self._record(cells)}
        items = [record for record in records.values() if "profile" in record]
        name = name_of(self._lines.path)
        told = [
            f"{name}: left out {many(count, 'cell')} of '{field}', no number (line {line}: {shown(text)})"
            for field, (count, line, text) in self._junk.items()
        ]
        if without := len(records) - len(items):
            told.append(f"{name}: left out {many(without, 'item')} without text")
        return items, [*told, *self._lines.told()]

    def _record(self, cells: dict[str, str]) -> dict[str, Any]:
        """Title, the fields' own values and profile of one item."""
        named = "" if self._title is None else cells.pop(self._title).strip()
        record: dict[str, Any] = {"title": named} if named else {}
        texts = [named] if named else []
        for field, text in cells.items():
            if not (text := text.strip()) or field == "item":
                continue
            kind = self._types[field]
            if kind in ("float", "float_seq") and field not in ("title", "profile"):
                values = [value for part in text.split() if (value := self._number(part, field)) is not None]
                if values:
                    record[field] = values[0] if kind == "float" else values
                continue
            words = kind == "token_seq" and field not in ("title", "profile")
            record[field] = text.split() if words else text
            if not field.endswith("_id") and field != "title":
                texts.append(f"{field.replace('_', ' ')}: {text}")
        if texts and "profile" not in record:
            record["profile"] = ". ".join(text.rstrip(".") for text in texts) + "."
        return record

    def _number(self, text: str, field: str) -> float | None:
        """The number that a cell holds; None, and counted, where it holds none."""
        try:
            return number(text, field)
        except ValueError:
            count, line, first = self._junk.get(field, (0, self._lines.number, text))
            self._junk[field] = (count + 1, line, first)
            return None
