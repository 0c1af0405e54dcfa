"""RLMRec folders: interaction matrices in three parts, and LLM-written profiles where they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.schema import KINDS
from llmhd_tools.importers import jsonl, pickled, sparse
from llmhd_tools.importers.source import PARTS, Interactions, Source
from llmhd_tools.importers.text import BadRows, Lines, need_folder, shown
from llmhd_tools.notes import many

_NPZ = {part: f"{part}.npz" for part in PARTS}
_PICKLES = dict(zip(PARTS, ("trn_mat.pkl", "val_mat.pkl", "tst_mat.pkl"), strict=True))


def read(
    path: Path, *, prefer_pickle: bool = False, max_bytes: int = pickled.MAX_BYTES, bad: BadRows | None = None
) -> Source:
    """The three matrices (users × items) as splits, and texts. Ids are row and column numbers, as strings.

    Matrices: ``{train,valid,test}.npz`` (scipy) or RLMRec's own ``{trn,val,tst}_mat.pkl``. Texts: ``items.jsonl`` and
    ``users.jsonl``, or ``itm_prf.pkl`` and ``usr_prf.pkl`` (``{number: {"profile": …}}``). Where both are there the
    pickle is left alone, unless ``prefer_pickle``; pickles are read by ``pickled``, which calls nothing. Every cell
    that is not zero is one interaction, by user then item; there are no ratings. ``max_bytes`` bounds each file,
    unpacked.
    """
    need_folder(path)
    names = _choose(path, prefer_pickle)
    parts = {part: _cells(path / name, max_bytes) for part, name in names.items()}
    users, items = parts["train"].shape
    for part, found in parts.items():
        if found.shape != (users, items):
            what = f"{found.shape[0]} users × {found.shape[1]} items, but {names['train']} has {users} × {items}"
            raise InputError(what, where=path / names[part])
    user_ids, user_codes = _coded([found.row for found in parts.values()])
    item_ids, item_codes = _coded([found.col for found in parts.values()])
    splits = {
        part: Interactions(user_ids, item_ids, u, i, np.arange(1, len(u) + 1, dtype=np.int32), file=names[part])
        for part, u, i in zip(parts, user_codes, item_codes, strict=True)
    }
    told: list[str] = []
    found_items = _texts(path, "item", items, prefer_pickle, max_bytes, bad, told)
    found_users = _texts(path, "user", users, prefer_pickle, max_bytes, bad, told)
    return Source.of_splits(splits, items=found_items, profiles=found_users, shape=(users, items), told=told)


def _choose(path: Path, prefer_pickle: bool) -> dict[str, str]:
    families = [_PICKLES, _NPZ] if prefer_pickle else [_NPZ, _PICKLES]
    for family in families:
        if all((path / name).exists() for name in family.values()):
            return family
    raise InputError(f"needs {', '.join(_NPZ.values())} or {', '.join(_PICKLES.values())}", where=path)


def _cells(path: Path, max_bytes: int) -> sparse.Cells:
    if path.suffix == ".npz":
        return sparse.read_npz(path, max_bytes=max_bytes)
    matrix = pickled.load(path, max_bytes=max_bytes)
    if not isinstance(matrix, pickled.Matrix):
        raise InputError("holds no scipy.sparse matrix", where=path)
    return sparse.cells(matrix.kind, matrix.state, path)


def _coded(columns: list[NDArray[np.int64]]) -> tuple[list[str], list[NDArray[np.int32]]]:
    """The numbers that stand in some columns, as ids, and each column as codes into them."""
    distinct = np.unique(np.concatenate(columns))
    return [str(n) for n in distinct.tolist()], [np.searchsorted(distinct, c).astype(np.int32) for c in columns]


def _texts(
    path: Path, side: str, size: int, prefer_pickle: bool, max_bytes: int, bad: BadRows | None, told: list[str]
) -> list[dict[str, Any]]:
    """The texts of one side (``item`` or ``user``), from whichever file is there; [] without one. ``told`` gains a
    sentence where some are blank, which are left out."""
    file = path / f"{side}s.jsonl"
    pickle = path / ("itm_prf.pkl" if side == "item" else "usr_prf.pkl")
    if file.exists() and not (prefer_pickle and pickle.exists()):
        records = _records(Lines(file, bad=bad), side, size)
    elif pickle.exists():
        file, records = pickle, _pickled_texts(pickle, side, size, max_bytes)
    else:
        return []
    kept = [record for record in records if record.get("profile", "").strip()]
    if len(kept) < len(records):
        told.append(f"{file.name}: left out {many(len(records) - len(kept), side)} without text")
    return kept


def _records(lines: Lines, side: str, size: int) -> list[dict[str, Any]]:
    """JSON objects with an id of the matrix in ``side`` and a string in ``profile``; other fields pass through, if they
    are of the type that our own fields of such a name have."""
    specs = [spec for spec in KINDS["items" if side == "item" else "profiles"].fields if spec.name != side]
    records: dict[str, dict[str, Any]] = {}
    for record in jsonl.objects(lines):
        name = str(record[side]) if type(record.get(side)) in (str, int) else ""
        types = {spec.name: int if spec.type == "int" else str for spec in specs if record.get(spec.name) is not None}
        if side not in record:
            lines.bad(f"not a record with '{side}'")
        elif not _is_code(name, size):
            lines.bad(f"'{side}' is {shown(name)}, must be a whole number in 0..{size - 1}")
        elif name in records:
            lines.bad(f"'{side}' {name} is there twice")
        elif wrong := next((field for field, known in types.items() if type(record[field]) is not known), ""):
            lines.bad(f"'{wrong}' is not {'a string' if types[wrong] is str else 'a whole number'}")
        else:
            records[name] = {**record, side: name}
    return list(records.values())


def _is_code(name: str, size: int) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 11 and str(int(name)) == name and int(name) < size


def _pickled_texts(path: Path, side: str, size: int, max_bytes: int) -> list[dict[str, Any]]:
    """``{number: {"profile": text, …}}`` as records by number; of further fields the strings are kept."""
    table = pickled.load(path, max_bytes=max_bytes)
    if not isinstance(table, dict):
        raise InputError("holds no dict of profiles", where=path)
    records = {}
    for code, entry in table.items():
        known = 0 <= code < size if isinstance(code, int) else _is_code(code, size)
        name = str(code) if known else ""
        if not known or name in records:
            raise InputError(f"a number of {side} is there twice or not in 0..{size - 1}", where=path)
        profile = entry.get("profile") if isinstance(entry, dict) else None
        if not isinstance(profile, str):
            raise InputError(f"{side} {name} has no text in 'profile'", where=path)
        texts = {str(k): v for k, v in entry.items() if isinstance(v, str) and k not in (side, "version")}
        records[name] = {side: name, **texts}
    return [records[name] for name in sorted(records, key=int)]
