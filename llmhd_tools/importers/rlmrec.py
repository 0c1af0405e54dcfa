"""RLMRec folders: interaction matrices in three parts, and LLM-written profiles where they are there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers import npz, pickled, sparse
from llmhd_tools.importers.source import PARTS, Interactions, Source
from llmhd_tools.importers.text import Lines, need_folder, shown

_NPZ = {part: f"{part}.npz" for part in PARTS}
_PICKLES = dict(zip(PARTS, ("trn_mat.pkl", "val_mat.pkl", "tst_mat.pkl"), strict=True))


def read(path: Path, *, prefer_pickle: bool = False, max_bytes: int = npz.MAX_BYTES) -> Source:
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
    return Source.of_splits(
        {part: Interactions(_ids(found.row), _ids(found.col)) for part, found in parts.items()},
        items=_texts(path, "item", items, prefer_pickle, max_bytes),
        profiles=_texts(path, "user", users, prefer_pickle, max_bytes),
        shape=(users, items),
    )


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


def _ids(codes: NDArray[np.int64]) -> list[str]:
    distinct, at = np.unique(codes, return_inverse=True)
    names = [str(code) for code in distinct.tolist()]
    return [names[k] for k in at.tolist()]


def _texts(path: Path, side: str, size: int, prefer_pickle: bool, max_bytes: int) -> list[dict[str, Any]]:
    """The texts of one side (``item`` or ``user``), from whichever file is there; [] without one."""
    lines = path / f"{side}s.jsonl"
    pickle = path / ("itm_prf.pkl" if side == "item" else "usr_prf.pkl")
    if lines.exists() and not (prefer_pickle and pickle.exists()):
        return _records(Lines(lines), side, size)
    if pickle.exists():
        return _pickled_texts(pickle, side, size, max_bytes)
    return []


def _records(lines: Lines, side: str, size: int) -> list[dict[str, Any]]:
    """JSON objects with an id of the matrix in ``side`` and a string in ``profile``; other fields pass through."""
    records: dict[str, dict[str, Any]] = {}
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
            if "\\u" in line:  # an escaped half of a surrogate pair could not be written again
                json.dumps(record, ensure_ascii=False).encode()
        except RecursionError as err:
            raise lines.error("is nested too deep") from err
        except ValueError as err:
            raise lines.error(f"not a JSON record: {getattr(err, 'msg', err)}") from err
        if not isinstance(record, dict) or side not in record:
            raise lines.error(f"not a record with '{side}'")
        name = str(record[side]) if type(record[side]) in (str, int) else ""
        if not _is_code(name, size):
            raise lines.error(f"'{side}' is {shown(name)}, must be a whole number in 0..{size - 1}")
        if name in records:
            raise lines.error(f"'{side}' {name} is there twice")
        if not isinstance(record.get("profile", ""), str):
            raise lines.error("'profile' is not a string")
        records[name] = {**record, side: name}
    return list(records.values())


def _is_code(name: str, size: int) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 11 and str(int(name)) == name and int(name) < size


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a field is there twice")
    return record


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is out of range")
    return value


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
        records[name] = {side: name, **{str(k): v for k, v in entry.items() if isinstance(v, str) and k != side}}
    return [records[name] for name in sorted(records, key=int)]
