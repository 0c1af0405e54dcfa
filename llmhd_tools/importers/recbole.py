"""RecBole atomic files: ``NAME.inter`` and ``NAME.item``, tab-separated under a typed header ``field:type``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmhd_tools.errors import InputError
from llmhd_tools.importers.source import PARTS, Interactions, Source
from llmhd_tools.importers.text import Lines, Rows, number, shown

_TYPES = ("token", "token_seq", "float", "float_seq")


def read(
    path: Path,
    *,
    name: str | None = None,
    user: str = "user_id",
    item: str = "item_id",
    rating: str = "rating",
    timestamp: str = "timestamp",
) -> Source:
    """A dataset from a folder of atomic files or from one ``.inter`` file, with the ``.item`` file beside it.

    In a folder, ``NAME.train.inter`` (``.valid``, ``.test``) wins over ``NAME.inter``; to read the latter whole, give
    the file itself. ``name`` chooses where a folder holds several datasets. ``user``… are field names, as in
    RecBole's USER_ID_FIELD…; rating and timestamp are taken if the file has them. Fields are split at tabs with no
    quoting.

    Item records hold every field under its own name (token: string, token_seq: list of strings split at spaces,
    floats: numbers; blank ones left out), but the first token field called title or name, or ending in _title or
    _name, becomes ``title``, unsplit. ``profile`` is a field of that name if there is one, otherwise "title. field:
    text. field: text." over the token and token_seq fields in file order, ids (``…_id``) left out. A bad row is an
    InputError with file and line.
    """
    base, files = _find(path, name)
    fields = (user, item, rating, timestamp)
    parts = {part: _interactions(file, fields) for part, file in files.items()}
    item_file = base.with_name(base.name + ".item")
    items = _items(item_file, item) if item_file.exists() else []
    if "" in parts:
        return Source(parts[""], items=items)
    return Source.of_splits(parts, items=items)


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


def _rows(lines: Lines) -> Iterator[list[str]]:
    """First the header's cells, then every row's, all of one length; blank lines skipped."""
    width = 0
    for line in lines:
        line = line.rstrip("\r\n")
        if not line:
            continue
        cells = line.split("\t")
        if width and len(cells) != width:
            raise lines.error(f"row has {len(cells)} fields separated by tabs, must have {width}")
        width = len(cells)
        yield cells
    if not width:
        raise InputError("is empty", where=lines.path)


def _header(cells: list[str], lines: Lines) -> dict[str, str]:
    """Field name -> type, in file order."""
    types: dict[str, str] = {}
    for cell in cells:
        name, _, kind = cell.rpartition(":")
        if not name or kind not in _TYPES or name in types:
            raise lines.error(f"header field {shown(cell)} is not a new NAME:TYPE (TYPE: {', '.join(_TYPES)})")
        types[name] = kind
    return types


def _interactions(path: Path, fields: tuple[str, str, str, str]) -> Interactions:
    lines = Lines(path)
    rows = _rows(lines)
    types = _header(next(rows), lines)
    user, item, rating, timestamp = fields
    for field, kind in ((user, "token"), (item, "token"), (rating, "float"), (timestamp, "float")):
        if kind == "token" and field not in types:
            raise lines.error(f"field '{field}' is not among {', '.join(types)}")
        if types.get(field, kind) != kind:
            raise lines.error(f"field '{field}' is of type {types[field]}, must be {kind}")
    where = list(types).index
    at_user, at_item = where(user), where(item)
    rated, timed = rating in types, timestamp in types
    at_rating = where(rating) if rated else at_user  # without the field the cell given is not read
    at_time = where(timestamp) if timed else at_user
    gathered = Rows(lines, rating=rating if rated else None, timestamp=timestamp if timed else None)
    for row in rows:
        gathered.add(row[at_user], row[at_item], row[at_rating], row[at_time])
    return gathered.done()


def _items(path: Path, id_field: str) -> list[dict[str, Any]]:
    lines = Lines(path)
    rows = _rows(lines)
    types = _header(next(rows), lines)
    if id_field not in types:
        raise lines.error(f"field '{id_field}' is not among {', '.join(types)}")
    named = (f for f, kind in types.items() if kind.startswith("token") and re.search("(^|_)(title|name)$", f))
    title = next(named, None)
    records: dict[str, dict[str, Any]] = {}
    for row in rows:
        cells = dict(zip(types, row, strict=True))
        item = cells.pop(id_field)
        if not item.strip() or item in records:
            raise lines.error(f"item {shown(item)} is there twice" if item.strip() else "empty item id")
        records[item] = {"item": item, **_record(cells, types, title, lines)}
    return list(records.values())


def _record(cells: dict[str, str], types: dict[str, str], title: str | None, lines: Lines) -> dict[str, Any]:
    """Title, the fields' own values and profile of one item."""
    named = "" if title is None else cells.pop(title).strip()
    record: dict[str, Any] = {"title": named} if named else {}
    texts = [named] if named else []
    for field, text in cells.items():
        if not (text := text.strip()) or field == "item":
            continue
        kind = types[field]
        if kind == "float":
            record[field] = number(text, field, lines)
        elif kind == "float_seq":
            record[field] = [number(part, field, lines) for part in text.split()]
        else:
            record[field] = text if kind == "token" or field == "profile" else text.split()
            if not field.endswith("_id"):
                texts.append(f"{field.replace('_', ' ')}: {text}")
    if texts and "profile" not in record:
        record["profile"] = ". ".join(text.rstrip(".") for text in texts) + "."
    return record
