"""Weights, known noise, bad rows and limits, in every form of table that has named columns."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import pairs, refused, skipping, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import arrays, npz, read_source

FORMS = ["csv", "tsv", "jsonl", "parquet", "npz"]


def table(folder: Path, form: str, columns: dict[str, list[Any]]) -> Path:
    path = folder / f"a.{form}"
    rows = list(zip(*columns.values(), strict=True))
    if form in ("csv", "tsv"):
        mark = "," if form == "csv" else "\t"
        write(path, "\n".join(mark.join("" if v is None else str(v) for v in row) for row in [tuple(columns), *rows]))
    elif form == "jsonl":
        write(path, "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    elif form == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    return path


@pytest.mark.parametrize("form", FORMS)
def test_weight_and_noise(tmp_path: Path, form: str) -> None:
    columns = {"user": ["a", "b", "a"], "item": ["x", "y", "z"], "plays": [3, 1, 12], "label": [1, 0, 0]}
    path = table(tmp_path, form, columns)
    numbers = read_source(form, path, weight="plays", noise="label").interactions.numbers
    assert numbers["weight"].tolist() == [3, 1, 12] and numbers["weight"].dtype == np.float64
    assert numbers["noise"].tolist() == [True, False, False] and numbers["noise"].dtype == np.bool_
    numbers = read_source(form, path, weight="plays", rating="plays", noise="label=0").interactions.numbers
    assert numbers["noise"].tolist() == [False, True, True] and numbers["rating"].tolist() == [3, 1, 12]
    refused("'plays' is", form, path, noise="plays")
    path = table(tmp_path, form, columns | {"plays": [3, 0, 12]})
    refused("must be above 0", form, path, weight="plays")
    source, bad = skipping(form, path, weight="plays")
    assert users(source.interactions) == ["a", "a"] and len(bad) == 1


@pytest.mark.parametrize("form", FORMS)
def test_noise_in_words(tmp_path: Path, form: str) -> None:
    columns = {
        "user": ["a", "b", "c"],
        "item": [1, 2, 3],
        "kind": ["True", "no", "false"],
        "event": ["buy", "view", "buy"],
    }
    path = table(tmp_path, form, columns)
    assert read_source(form, path, noise="kind").interactions.numbers["noise"].tolist() == [True, False, False]
    assert read_source(form, path, noise="event=view").interactions.numbers["noise"].tolist() == [False, True, False]
    refused(
        "'event' is 'buy', must be 0 or 1, true or false; event=VALUE says which value is noise",
        form,
        path,
        noise="event",
    )


@pytest.mark.parametrize("form", FORMS)
def test_bad_rows_are_skipped_and_named(tmp_path: Path, form: str) -> None:
    columns = {
        "user": ["a", "", "b", " ", "c"],
        "item": ["x", "y", "z", "w", "v"],
        "stars": [1.0, 2.0, float("inf"), 4.0, 5.0],
    }
    path = table(tmp_path, form, columns)
    if form == "jsonl":
        write(path, path.read_text().replace("Infinity", "1e999"))
    refused("`skip_bad` leaves such rows out", form, path, rating="stars")
    source, bad = skipping(form, path, rating="stars")
    assert pairs(source.interactions) == [("a", "x"), ("c", "v")]
    assert source.interactions.numbers["rating"].tolist() == [1, 5]
    first = 2 if form in ("csv", "tsv") else 1  # behind the header
    assert [row["line"] - first for row in bad] == [1, 2, 3]
    assert (source.interactions.line - first).tolist() == [0, 4]
    assert {row["file"] for row in bad} == {path.name} and all(row["reason"] for row in bad)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_bad_rows_only(tmp_path: Path, form: str) -> None:
    from llmhd_tools.importers.text import BadRows

    path = table(tmp_path, form, {"user": ["", ""], "item": ["x", "y"]})
    refused("holds no interactions; 2 bad rows were skipped, the first: ", form, path, bad=BadRows(skip=True))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_column_twice(tmp_path: Path, form: str) -> None:
    path = table(tmp_path, form, {"user": ["a"], "item": ["x"], "n": [1]})
    refused("`user` and `item` are both the column 'user'", form, path, UsageError, item="user")
    refused("`item` and `timestamp` are both the column 'item'", form, path, UsageError, timestamp="item")


@pytest.mark.parametrize("form", ["parquet", "npz"])
def test_words_about_text_are_not_for_arrays(tmp_path: Path, form: str) -> None:
    path = table(tmp_path, form, {"user": ["a"], "item": ["x"]})
    for option, value in (("delimiter", ";"), ("quote", "'"), ("encoding", "latin-1"), ("time_format", "%Y")):
        refused(f"`{option}` is for csv, tsv", form, path, UsageError, **{option: value})
    refused("`no_header` is for csv, tsv", form, path, UsageError, header=False)


# ---- Parquet


def test_texts_of_every_kind_that_parquet_has(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"user": pa.array(["a", "ü", "a"]).cast(kind), "item": pa.array([1, 2, 3])}), path)
        rows = read_source("parquet", path).interactions
        assert pairs(rows) == [("a", "1"), ("ü", "2"), ("a", "3")]


def test_parquet_in_several_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmhd_tools.importers.parquet._ROWS", 3)
    names = [f"u{n % 5}" if n % 4 else None for n in range(20)]
    pq.write_table(pa.table({"user": names, "item": list(range(20))}), tmp_path / "a.parquet", row_group_size=7)
    source, bad = skipping("parquet", tmp_path / "a.parquet")
    assert [row["line"] for row in bad] == [1, 5, 9, 13, 17] and bad[0]["reason"] == "'user' is null"
    assert pairs(source.interactions) == [(f"u{n % 5}", str(n)) for n in range(20) if n % 4]
    assert source.interactions.line.tolist() == [n + 1 for n in range(20) if n % 4]


def test_a_long_text_that_comes_often_stays_small(tmp_path: Path) -> None:
    """300,000 rows of a text of 100 kB are 30 GB, but a file of some kB."""
    user = pa.DictionaryArray.from_arrays(pa.array(np.zeros(300_000, np.int32)), ["x" * 100_000])
    pq.write_table(pa.table({"user": user, "item": np.arange(300_000) % 7}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1 << 20
    rows = read_source("parquet", tmp_path / "a.parquet").interactions
    assert len(rows) == 300_000 and [len(name) for name in rows.users] == [100_000]


def test_more_rows_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmhd_tools.importers.parquet.MAX_ROWS", 10)
    monkeypatch.setattr("llmhd_tools.importers.npz.MAX_ROWS", 10)
    columns = {"user": list(range(11)), "item": list(range(11))}
    refused("holds 11 rows, must be 1..10", "parquet", table(tmp_path, "parquet", columns))
    refused("are not of one length in 1..10", "npz", table(tmp_path, "npz", columns))
    assert arrays.MAX_ROWS > 100_000_000


# ---- NPZ: large but sound, and bombs


def test_more_than_256_mib_of_arrays_are_read(tmp_path: Path) -> None:
    """As MovieLens-25M and larger: 17 million rows of two columns of 8 bytes."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 200_000, 17_000_000), rng.integers(0, 60_000, 17_000_000)
    np.savez(tmp_path / "a.npz", user=user, item=item)
    rows = read_source("npz", tmp_path / "a.npz").interactions
    (tmp_path / "a.npz").unlink()
    assert (np.array(rows.users, dtype=np.int64)[rows.user] == user).all()
    assert (np.array(rows.items, dtype=np.int64)[rows.item] == item).all()


def test_bombs_are_refused_before_they_unpack(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", user=np.zeros(40_000_000, np.int64), item=np.zeros(40_000_000, np.int64))
    size = (tmp_path / "a.npz").stat().st_size
    assert size < 1 << 20
    refused(
        f"would unpack to 640,000,256 bytes, more than the 268,435,456 allowed for a file of {size:,}",
        "npz",
        tmp_path / "a.npz",
    )
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("user", "item"):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(
                    member, {"descr": "<i8", "fortran_order": False, "shape": (1 << 40,)}
                )
                member.write(bytes(100))
    refused("an array's header does not fit its size", "npz", tmp_path / "b.npz")
    assert npz.MAX_BYTES >= 4 << 30


def test_objects_and_dates_are_called_what_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", user=np.array(["a", None], dtype=object), item=[1, 2])
    refused(
        "array 'user' holds Python objects, which are never unpickled; save it with .astype(str)",
        "npz",
        tmp_path / "a.npz",
    )
    np.savez(tmp_path / "b.npz", user=np.array(["2020-01-01"], "M8[D]"), item=[1])
    refused("column 'user' is of type datetime64[D], ids must be strings or integers", "npz", tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", user=np.array([1 + 2j]), item=[1])
    refused("array 'user' is of type complex128 and 1 dimensions, must be a column", "npz", tmp_path / "c.npz")
