"""CSV, TSV, Parquet, NPZ, RecBole atomic files and MovieLens folders, from tiny files written here."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tables import items, refused, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import FORMATS, read_source
from llmhd_tools.importers.source import Interactions

RATED = {"user": "u", "item": "i", "rating": "r", "timestamp": "t"}


def read_as(format: str, path: Path) -> None:
    """The three rows u, i, r, t of the Parquet and the NPZ file, by the format's name and by the suffix."""
    for name in ("columns", format):
        rows = read_source(name, path, **RATED).interactions
        assert users(rows) == ["7", "8", "7"] and items(rows) == ["a", "b", "ü"]
        assert rows.numbers["rating"].tolist() == [1, 2, 3]
        assert rows.numbers["timestamp"].tolist() == [0, 1.5, 2]
    rows = read_source("columns", path, user="u", item="i").interactions
    assert rows.numbers == {}


# ---- the registry


def test_unknown_format_and_option(tmp_path: Path) -> None:
    refused("unknown format 'xml', must be one of rlmrec, recbole", "xml", tmp_path, UsageError)
    refused("has no option `users`; it has `user`, `item`", "csv", tmp_path, UsageError, users="x")
    refused("has no option `kind`", "csv", tmp_path, UsageError, kind="tsv")
    for format in FORMATS:
        refused("no such f", format, tmp_path / "none.csv")


def test_import_is_light() -> None:
    code = (
        "import sys, llmhd_tools.importers; print([m for m in ('numpy','scipy','pyarrow','torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_columns_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Interactions(["a"], ["b"], np.zeros(1, np.int32), np.zeros(2, np.int32), np.ones(1, np.int32))


# ---- CSV and TSV

CSV = 'x,u,i,r,t\n1,01,"a,b",4.5,100\n\n2,ü,"c\nd",-1e0,0\n3,01,a b,5,7\n'


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv(tmp_path: Path, packing: str, ends: str, bom: str) -> None:
    blob = (bom + CSV).replace("\n", ends).encode()
    if packing == ".zst":
        half = len(blob) // 2  # two frames, as cat makes them
        blob = zstandard.compress(blob[:half]) + zstandard.compress(blob[half:])
    elif packing:
        blob = gzip.compress(blob)
    rows = read_source("columns", write(tmp_path / f"a.csv{packing}", blob), **RATED).interactions
    assert users(rows) == ["01", "ü", "01"] and items(rows) == ["a,b", f"c{ends}d", "a b"]
    assert rows.numbers["rating"].tolist() == [4.5, -1, 5] and rows.numbers["rating"].dtype == np.float64
    assert rows.numbers["timestamp"].tolist() == [100, 0, 7]


def test_delimiters_and_headers(tmp_path: Path) -> None:
    tsv = write(tmp_path / "a.TSV", "user\titem\tt\na\tb\t1\n")
    rows = read_source("columns", tsv, timestamp="t").interactions
    assert (users(rows), items(rows), [*rows.numbers]) == (["a"], ["b"], ["timestamp"])
    semi = write(tmp_path / "a.dat", "a;b;3\nc;d;4")
    rows = read_source("columns", semi, delimiter=";", header=False, user="1", item="2", rating="3").interactions
    assert items(rows) == ["b", "d"] and rows.numbers["rating"].tolist() == [3, 4]
    assert items(read_source("tsv", tsv).interactions) == ["b"]
    refused("cannot tell the kind", "columns", semi, UsageError)
    refused("`delimiter` is '', must be one or more", "csv", semi, UsageError, delimiter="")
    refused("`quote` needs a delimiter of one character", "csv", semi, UsageError, delimiter="::", quote="'")
    refused("`quote` is ',', must be one character, not", "csv", semi, UsageError, quote=",")
    refused("`escape` is 'ab', must be one character", "csv", semi, UsageError, escape="ab")
    refused("are the same character", "csv", semi, UsageError, escape='"')
    refused("must be csv, tsv, jsonl, parquet, npz", "columns", semi, UsageError, kind="xls")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv: is empty"),
        ("\n\n", "a.csv: is empty"),
        ("u,i,r,t\n", "a.csv: holds no interactions"),
        ("u,i,r\n", "a.csv:1: column 't' is not among the columns u, i, r"),
        ("u,i,r,t,u\n", "a.csv:1: column 'u' is twice in"),
        ("u,i,r,t\na,b,1\n", "a.csv:2: row has 3 columns, must have 4"),
        ("u,i,r,t\na,b,1,2\na,b,1,2,3\n", "a.csv:3: row has 5"),
        ("u,i,r,t\n,b,1,2\n", "a.csv:2: empty user id"),
        ("u,i,r,t\na, ,1,2\n", "a.csv:2: empty item id"),
        ("u,i,r,t\na,b,nan,2\n", "a.csv:2: 'r' is 'nan', must be a finite number"),
        ("u,i,r,t\na,b,1,-inf\n", "a.csv:2: 't' is '-inf'"),
        ("u,i,r,t\na,b,1e999,2\n", "a.csv:2: 'r' is '1e999'"),
        ("u,i,r,t\na,b,,2\n", "a.csv:2: 'r' is ''"),
        ("u,i,r,t\na,b,1_0,2\n", "a.csv:2: 'r' is '1_0'"),
        ("u,i,r,t\na,b,\x1b[31m,2\n", "a.csv:2: 'r' is '\\x1b[31m'"),
        ('u,i,r,t\na,"b,1,2\n', "a.csv:2: not a table separated by ','"),
        ('u,i,r,t\na,"b"x,1,2\n', "a.csv:2: not a table"),
        ("u,i,r,t\ra,b,1,2\r", "a.csv:1: not a table"),
        ("u,i,r,t\na," + "b" * 200_000 + ",1,2\n", "a.csv:2: not a table separated by ',': field larger"),
        (b"u,i,r,t\na,b\xff,1,2\n", "a.csv:2: byte 4 of the line is not UTF-8"),
        (b"u,i,r,t\na,b\0,1,2\n", "a.csv:2: NUL at byte 4"),
        ("u,i,r,t\na,b,1,2\n".encode("utf-16"), "a.csv: is UTF-16; read it with `encoding` utf-16"),
        ("u,i,r,t\na,b,1,2\n".encode("utf-16-le"), "a.csv:1: NUL at byte 2"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str | bytes, message: str) -> None:
    refused(message, "csv", write(tmp_path / "a.csv", text), **RATED)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_cut_archives(tmp_path: Path, pack: Any) -> None:
    blob = pack(CSV.encode() * 50)
    path = tmp_path / ("a.csv.gz" if pack is gzip.compress else "a.csv.zst")
    for end in (len(blob) - 1, len(blob) - 6, len(blob) // 2, 3):
        refused(f"{path.name}", "columns", write(path, blob[:end]), **RATED)
    refused("is damaged or cut off", "columns", write(path, b"no archive at all"), **RATED)


def test_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmhd_tools.importers.text.MAX_LINE", 1 << 20)
    refused("a.csv:1: line is longer than 1 MiB", "csv", write(tmp_path / "a.csv", b"x" * (3 << 20)))


# ---- Parquet


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "a.parquet",
        u=pa.array([7, 8, 7], pa.int64()),
        i=pa.array(["a", "b", "ü"]).dictionary_encode(),
        r=pa.array([1, 2, 3], pa.int8()),
        t=pa.array([0, 1_500_000, 2_000_000], pa.timestamp("us", tz="Europe/Berlin")),
        other=pa.array([None, 1, 2]),
    )
    read_as("parquet", path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"u": ["a", None]}, "row 2: 'u' is null"),
        ({"u": ["a", ""]}, "row 2: empty 'u' id"),
        ({"u": [1.0, 2.0]}, "ids must be strings or integers"),
        ({"u": [True, False]}, "ids must be strings or integers"),
        ({"u": [[1], [2]]}, "ids must be strings or integers"),
        ({"r": [1.0, float("nan")]}, "row 2: 'r' is nan"),
        ({"r": [float("inf"), 1.0]}, "row 1: 'r' is inf"),
        ({"r": [1.0, None]}, "row 2: 'r' is nan or null"),
        ({"r": ["1", "2"]}, "must be numeric"),
        ({"u": [], "i": [], "r": [], "t": []}, "holds 0 rows"),
    ],
)
def test_bad_parquet(tmp_path: Path, change: Any, message: str) -> None:
    columns = {"u": ["a", "b"], "i": ["x", "y"], "r": [1.0, 2.0], "t": [1, 2]} | change
    refused(message, "columns", parquet(tmp_path / "a.parquet", **columns), **RATED)


def test_damaged_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", u=["a", "b"], i=["x", "y"])
    blob = path.read_bytes()
    refused("column 'v' is not among the columns u, i", "columns", path, user="v", item="i")
    for end in (0, 3, len(blob) // 2, len(blob) - 1):
        refused("not a readable Parquet file", "columns", write(path, blob[:end]), user="u", item="i")
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    refused("not a readable", "columns", parquet(path, u=bad, i=["x"]), user="u", item="i")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", user=["a"], item=["b"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused("pip install pyarrow", "columns", path, UsageError)


# ---- NPZ

NPZ_COLUMNS: dict[str, Any] = {
    "u": [7, 8, 7],
    "i": ["a", "b", "ü"],
    "r": np.array([1, 2, 3], np.int8),
    "t": [0, 1.5, 2],
}


def npz(path: Path, **columns: Any) -> Path:
    np.savez_compressed(path, **columns)
    return path


def test_npz(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", **NPZ_COLUMNS, other=np.zeros((2, 2)))
    read_as("npz", path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"u": ["a", "", "b"]}, "row 2: empty 'u' id"),
        ({"u": [1.0, 2.0, 3.0]}, "column 'u' is of type float64, ids must be strings or integers"),
        ({"u": [True, False, True]}, "ids must be strings or integers"),
        ({"u": [b"a", b"b", b"c"]}, "ids must be strings or integers"),
        ({"u": [[1], [2], [3]]}, "2 dimensions"),
        ({"u": np.array([1, 2, None])}, "array 'u' holds Python objects, which are never unpickled"),
        ({"u": [1, 2]}, "columns u, i, r, t are not of one length"),
        ({"r": [1.0, float("nan"), 1.0]}, "row 2: 'r' is nan"),
        ({"t": [float("inf"), 1.0, 1.0]}, "row 1: 't' is inf"),
        ({"r": ["1", "2", "3"]}, "column 'r' is of type <U1, must be numeric"),
        ({name: [] for name in "uirt"}, "not of one length in 1.."),
        (dict.fromkeys("uirt", 1), "not of one length in 1.."),
    ],
)
def test_bad_npz_columns(tmp_path: Path, change: Any, message: str) -> None:
    refused(message, "columns", npz(tmp_path / "a.npz", **NPZ_COLUMNS | change), **RATED)


def test_npz_without_the_column_or_damaged(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", u=["a", "b"], i=["x", "y"])
    refused("a.npz: column 'v' is not among the columns u, i", "npz", path, user="v", item="i")
    blob = path.read_bytes()
    for end in (0, 3, len(blob) // 2, len(blob) - 1):
        refused("not a whole .npz", "npz", write(path, blob[:end]), user="u", item="i")


# ---- RecBole

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\ttags:token_seq\n"


def recbole(path: Path, **files: str) -> Path:
    for name, text in files.items():
        write(path / name.replace("__", "."), text)
    return path


def test_recbole(tmp_path: Path) -> None:
    films = (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tprice:float\tvec:float_seq\tshop_id:token\n"
        '7\tToy "Story"\t1995\tAnimation Comedy\t1.5\t0 1.5\ts\n8\t\t\t\t\t\t\n'
    )
    recbole(tmp_path, ml__inter=INTER + "a\t7\t4\t10\tx y\nb\t9\t1.5\t2e1\t\n", ml__item=films, ml__user="not read")
    for path in (tmp_path, tmp_path / "ml.inter"):
        source = read_source("recbole", path)
        rows = source.interactions
        assert users(rows) == ["a", "b"] and items(rows) == ["7", "9"] and source.splits == {}
        assert rows.numbers["rating"].tolist() == [4, 1.5]
        assert rows.numbers["timestamp"].tolist() == [10, 20]
        assert source.items == [
            {
                "item": "7",
                "title": 'Toy "Story"',
                "release_year": "1995",
                "class": ["Animation", "Comedy"],
                "price": 1.5,
                "vec": [0, 1.5],
                "shop_id": "s",
                "profile": 'Toy "Story". release year: 1995. class: Animation Comedy.',
            },
        ]


def test_recbole_given_splits(tmp_path: Path) -> None:
    head = "item_id:token\tuser_id:token\n"
    recbole(
        tmp_path, a__inter=head + "i\tu\n", a__train__inter=head + "i\tu\n", a__test__inter=head + "j\tu\nk\tv\n",
        a__item="item_id:token\tprofile:token_seq\ttitle:token\ni\tgiven text\tT\n",
    )  # fmt: skip
    source = read_source("recbole", tmp_path)
    assert list(source.splits) == ["train", "test"] and items(source.interactions) == ["i", "j", "k"]
    assert source.interactions.numbers == {}
    assert source.items == [{"item": "i", "title": "T", "profile": "given text"}]
    whole = read_source("recbole", tmp_path / "a.inter")
    assert whole.splits == {} and len(whole.interactions) == 1
    alone = read_source("recbole", tmp_path / "a.test.inter")
    assert users(alone.interactions) == ["u", "v"] and len(alone.items) == 1


def test_recbole_choice_and_names(tmp_path: Path) -> None:
    recbole(tmp_path, a__inter=INTER + "u\ti\t1\t1\t\n", b__inter="buyer:token\tsku:token\nu2\tj\n")
    refused("holds several datasets (a, b); say which", "recbole", tmp_path)
    refused("holds no .inter file of 'c'", "recbole", tmp_path, name="c")
    assert items(read_source("recbole", tmp_path, name="a").interactions) == ["i"]
    rows = read_source("recbole", tmp_path, name="b", user="buyer", item="sku").interactions
    assert users(rows) == ["u2"] and rows.numbers == {}
    (tmp_path / "e").mkdir()
    refused("holds no .inter file", "recbole", tmp_path / "e")
    recbole(tmp_path / "e", x__test__inter=INTER)
    refused("holds neither x.inter nor x.train.inter", "recbole", tmp_path / "e")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.inter: is empty"),
        (INTER, "a.inter: holds no interactions"),
        ("user_id\titem_id\n", "a.inter:1: header field 'user_id' is not a new NAME:TYPE"),
        ("user_id:token\tuser_id:token\n", "a.inter:1: header field"),
        ("user_id:token\tx:text\n", "a.inter:1: header field 'x:text'"),
        ("user_id:token\n", "a.inter:1: field 'item_id' is not among user_id"),
        ("user_id:float\titem_id:token\n", "a.inter:1: field 'user_id' is of type float, must be token"),
        (INTER + "a\tb\t1\t2\n", "a.inter:2: row has 4 fields separated by tabs, must have 5"),
        (INTER + "a\tb\t1\t2\t\na\tb\tnan\t2\t\n", "a.inter:3: 'rating' is 'nan'"),
        (INTER + "a\tb\t1\t\t\n", "a.inter:2: 'timestamp' is ''"),
        (INTER + "\tb\t1\t2\t\n", "a.inter:2: empty user id"),
    ],
)
def test_bad_recbole(tmp_path: Path, text: str, message: str) -> None:
    refused(message, "recbole", recbole(tmp_path, a__inter=text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id:token\tp:float\ni\t1\ni\t2\n", "a.item:3: item 'i' is there twice"),
        ("item_id:token\tp:float\n\t1\n", "a.item:2: empty item id"),
        ("id:token\n", "a.item:1: field 'item_id' is not among id"),
    ],
)
def test_bad_recbole_items(tmp_path: Path, text: str, message: str) -> None:
    refused(message, "recbole", recbole(tmp_path, a__inter=INTER + "u\ti\t1\t1\t\n", a__item=text))


# ---- MovieLens


def flags(*on: int) -> str:
    return "|".join("1" if k in on else "0" for k in range(19))


def test_movielens_100k(tmp_path: Path) -> None:
    write(tmp_path / "u.data", "196\t242\t3\t881250949\n186\t1\t5\t891717742\n")
    films = f"1|Misérables, Les (1995)|01-Jan-1995||http://x|{flags(3, 4, 5)}\n267|unknown||||{flags(0)}\n"
    write(tmp_path / "u.item", films.encode("latin-1"))
    source = read_source("movielens", tmp_path)
    assert users(source.interactions) == ["196", "186"] and items(source.interactions) == ["242", "1"]
    assert source.interactions.numbers["rating"].tolist() == [3, 5]
    title = "Misérables, Les (1995)"
    assert source.items == [
        {
            "item": "1",
            "title": title,
            "genres": ["Animation", "Children's", "Comedy"],
            "profile": f"{title} is a film in the genres Animation, Children's and Comedy.",
        },
        {"item": "267", "title": "unknown", "genres": [], "profile": "unknown is a film."},
    ]
    write(tmp_path / "u.item", "1|only|three\n")
    refused("u.item:1: not a u.item row", "movielens", tmp_path)


def test_movielens_1m(tmp_path: Path) -> None:
    write(tmp_path / "ratings.dat", "1::1193::5::978300760\r\n1::2::0.5::978302109\r\n")
    write(tmp_path / "movies.dat", "1193::Café::Two (1975)::Drama\n2::Naïve::War|Western\n".encode("latin-1"))
    source = read_source("movielens", tmp_path)
    assert items(source.interactions) == ["1193", "2"]
    assert source.interactions.numbers["timestamp"][1] == 978302109
    assert [r["title"] for r in source.items] == ["Café::Two (1975)", "Naïve"]
    assert source.items[0]["profile"] == "Café::Two (1975) is a film in the genre Drama."
    assert source.items[1]["genres"] == ["War", "Western"]
    write(tmp_path / "ratings.dat", "1::2::3::4\n1::2::3\n")
    refused("ratings.dat:2: row has 3 columns", "movielens", tmp_path)


def test_movielens_latest(tmp_path: Path) -> None:
    write(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n")
    write(tmp_path / "movies.csv", 'movieId,title,genres\n31,"Café, The (1995)",Drama\n32,X,(no genres listed)\n')
    source = read_source("movielens", tmp_path)
    assert users(source.interactions) == ["1"] and source.interactions.numbers["rating"].tolist() == [2.5]
    assert [(r["title"], r["genres"]) for r in source.items] == [("Café, The (1995)", ["Drama"]), ("X", [])]
    (tmp_path / "movies.csv").unlink()
    assert read_source("movielens", tmp_path).items == []
    write(tmp_path / "movies.csv", "movieId,title,genres\n1,A,B\n1,A,B\n")
    refused("movies.csv:3: film id '1' is there twice", "movielens", tmp_path)


def test_movielens_elsewhere(tmp_path: Path) -> None:
    refused("is it a MovieLens folder?", "movielens", tmp_path)
    refused("must be the folder", "movielens", write(tmp_path / "u.data", ""))
    refused("u.data: is empty", "movielens", tmp_path)
