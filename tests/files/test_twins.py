"""A table as text and as arrays: the same records, the same digest, the same bytes each time."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmhd_tools.errors import InputError
from llmhd_tools.files.fields import Field, Kind
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import write_records
from llmhd_tools.files.npz import read_arrays, write_arrays
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.table import Table, concatenate, from_records
from llmhd_tools.files.tables import read_chunks, read_table, write_chunks, write_table

Record = dict[str, Any]
TABLES = [kind for kind in KINDS.values() if {"text", "binary"} <= set(kind.forms)]

# One spelling for each id: 5 and "5" are the same user, who is written back as first spelt.
IDS = ["a", "b", 5, "05", -3, 10**20, " x ", "ü\u2028\u0085", "🙂", "../../etc/passwd", "null", "\x00"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def values(spec: Field) -> st.SearchStrategy[Any]:
    """What a field may hold."""
    low, high = spec.low, spec.high
    if spec.type in ("user", "item"):
        return st.sampled_from(IDS)
    if spec.type == "text":
        return st.text(max_size=8)
    if spec.type == "list":
        return st.lists(JSON, max_size=2)
    if spec.type == "bool":
        return st.booleans()
    if spec.type in ("int", "label"):
        return st.integers(int(low or 0), 2**63 - 1 if high is None else int(high))
    if spec.above is not None:
        return st.floats(spec.above, exclude_min=True, allow_nan=False, allow_infinity=False) | st.integers(1, 2**53)
    floats = st.floats(low, high, allow_nan=False, allow_infinity=False, width=32 if spec.type == "float32" else 64)
    whole = st.integers(-(2**53) + 1 if low is None else int(low), 2**53 - 1 if high is None else int(high))
    return floats if spec.type == "float32" else floats | whole


def records(kind: Kind) -> st.SearchStrategy[list[Record]]:
    """Records of a kind; optional ids stand in all or none, other optional fields come and go, unknown ones too."""
    known = {spec.name for spec in kind.fields}
    ids = {s.name for s in kind.fields if s.type in ("user", "item")}

    def build(present: set[str]) -> st.SearchStrategy[list[Record]]:
        always = {s.name: values(s) for s in kind.fields if s.required or (s.name in ids and s.name in present)}
        partly = [s for s in kind.fields if not s.required and (s.name not in ids or s.partly) and s.name in present]
        unknown = st.dictionaries(st.text(max_size=3).filter(lambda name: name not in known), JSON, max_size=2)
        row = st.fixed_dictionaries(
            {k: v for k, v in always.items() if k not in {s.name for s in partly}},
            optional={s.name: values(s) for s in partly},
        )
        whole = st.tuples(row, unknown).map(lambda pair: pair[0] | pair[1])
        return st.lists(whole, min_size=0 if kind.may_be_empty else 1, max_size=6)

    return st.sets(st.sampled_from(sorted(known))).flatmap(build)


def write_text(path: Path, rows: list[Record]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parse(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def in_32_bits(rows: list[Record], kind: Kind) -> list[Record]:
    """Some numbers are kept in 32 bits: their text is the shortest that says which, perhaps not the one that was read."""
    short = {spec.name for spec in kind.fields if spec.type == "float32"}
    return [{name: float(np.float32(v)) if name in short else v for name, v in row.items()} for row in rows]


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.name)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_both_forms_hold_the_same_records(kind: Kind, data: st.DataObject) -> None:
    rows = data.draw(records(kind))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = read_table(write_text(folder / "a.jsonl", rows), kind.name)
        for end in ("npz", "jsonl"):
            write_table(str(folder / f"b.{end}"), text)
        binary = read_table(str(folder / "b.npz"), kind.name)
        write_table(str(folder / "c.jsonl"), binary)
        write_table(str(folder / "c.npz"), read_table(str(folder / "b.npz"), kind.name))
        assert in_32_bits(parse(folder / "c.jsonl"), kind) == in_32_bits(rows, kind)
        assert (folder / "c.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
        assert (folder / "c.npz").read_bytes() == (folder / "b.npz").read_bytes()
        assert text.digest() == binary.digest() == read_table(str(folder / "c.jsonl"), kind.name).digest()


@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=8), st.randoms())
@example([("a", "b"), (5, "05")], None)
@settings(max_examples=30, deadline=None)
def test_digest_looks_at_what_rows_say_not_at_codes(rows: list[tuple[Any, Any]], random: Any) -> None:
    """The id tables may hold ids that no row has, in any order; the table is the same table."""
    others: list[Any] = [*IDS, "nobody"]
    if random is not None:
        random.shuffle(others)
    plain, crowded = Table("interactions", {}), Table("interactions", {}, Ids(others), Ids(reversed(others)))
    for table in (plain, crowded):
        table.columns = {"user": table.users.add(u for u, _ in rows), "item": table.items.add(i for _, i in rows)}
    assert plain.digest() == crowded.digest()


def test_digest_tells_different_tables_apart(tmp_path: Path) -> None:
    row = {"user": "a", "item": "b"}
    tables = [[row], [row, row], [{"user": "b", "item": "a"}], [row | {"rating": 3}], [row | {"rating": 3.5}]]
    digests = {read_table(write_text(tmp_path / "a.jsonl", rows), "interactions").digest() for rows in tables}
    assert len(digests) == len(tables)
    table = read_table(write_text(tmp_path / "a.jsonl", tables[3]), "interactions")
    bare = read_table(write_text(tmp_path / "b.jsonl", tables[0]), "interactions")
    assert table.digest("user", "item") == bare.digest("user", "item")


def test_an_id_is_its_text_and_keeps_its_first_spelling(tmp_path: Path) -> None:
    rows = [{"user": u, "item": "i"} for u in (5, "5", "05", 5)]
    table = read_table(write_text(tmp_path / "a.jsonl", rows), "interactions")
    assert table["user"].tolist() == [0, 0, 1, 0] and table.users.names == [5, "05"]
    write_table(str(tmp_path / "b.npz"), table)
    write_table(str(tmp_path / "c.jsonl"), read_table(str(tmp_path / "b.npz"), "interactions"))
    assert [row["user"] for row in parse(tmp_path / "c.jsonl")] == [5, 5, "05", 5]


def test_null_is_a_missing_value(tmp_path: Path) -> None:
    rows = [{"user": "a", "item": "b", "rating": None}, {"user": "a", "item": "c", "rating": 2, "noise": None}]
    table = read_table(write_text(tmp_path / "a.jsonl", rows), "interactions")
    assert np.isnan(table["rating"][0]) and table["noise"].tolist() == [-1, -1]
    write_table(str(tmp_path / "b.jsonl"), table)
    assert parse(tmp_path / "b.jsonl") == [{"user": "a", "item": "b"}, {"user": "a", "item": "c", "rating": 2}]


def test_codes_of_given_id_tables(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.jsonl", [{"user": "a", "item": 1}, {"user": "b", "item": 2}])
    users, items = Ids(["z", "b", "a"]), Ids(["2", "1"])
    table = read_table(path, "interactions", users=users, items=items)
    assert table["user"].tolist() == [2, 1] and table["item"].tolist() == [1, 0]
    with pytest.raises(InputError, match=r'a\.jsonl:2: user "b" is unknown'):
        read_table(path, "interactions", users=Ids(["a"]), items=items)
    write_table(str(tmp_path / "a.npz"), read_table(path, "interactions"))
    with pytest.raises(InputError, match=r"a\.npz: row 0: item 1 is unknown"):
        read_table(str(tmp_path / "a.npz"), "interactions", items=Ids(["2"]))


def test_chunks_are_the_table(tmp_path: Path) -> None:
    rows = [
        {"user": n % 3, "item": n, **({"rating": n} if n > 5 else {}), **({"x": n} if n % 4 == 0 else {})}
        for n in range(11)
    ]
    path = write_text(tmp_path / "a.jsonl", rows)
    whole = read_table(path, "interactions")
    for end in ("jsonl", "npz"):
        write_chunks(str(tmp_path / f"b.{end}"), read_chunks(path, "interactions", 4))
        assert read_table(str(tmp_path / f"b.{end}"), "interactions").digest() == whole.digest()
        write_table(
            str(tmp_path / "c.jsonl"), concatenate(list(read_chunks(str(tmp_path / f"b.{end}"), "interactions", 3)))
        )
        assert parse(tmp_path / "c.jsonl") == rows


def test_no_rows_are_a_chunk_too(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.jsonl", [])
    (chunk,) = read_chunks(path, "noisy")
    assert len(chunk) == 0
    write_chunks(str(tmp_path / "b.npz"), read_chunks(path, "noisy"))
    assert len(read_table(str(tmp_path / "b.npz"), "noisy")) == 0


NOISY = {"row": 0, "batch": 0, "user": "u", "item": "i", "negative": "n", "loss": 1, "candidate": True}
METRIC = {"split": "test", "metric": "recall", "value": 1}
BAD_RECORDS = [
    ("interactions", {"user": "a"}, "field 'item' is missing"),
    ("interactions", {"user": None, "item": "i"}, "field 'user' is missing"),
    ("interactions", {"user": "", "item": "i"}, "field 'user' is empty"),
    ("interactions", {"user": 1.5, "item": "i"}, "'user' is 1.5, must be a string or an integer"),
    ("interactions", {"user": True, "item": "i"}, "'user' is true, must be a string or an integer"),
    ("interactions", {"user": ["a"], "item": "i"}, "'user' is [\"a\"], must be a string or an integer"),
    ("interactions", {"user": "a", "item": "i", "rating": "5"}, "'rating' is \"5\", must be a number"),
    ("interactions", {"user": "a", "item": "i", "rating": True}, "'rating' is true, must be a number"),
    ("interactions", {"user": "a", "item": "i", "rating": 10**400}, "too large a number"),
    ("interactions", {"user": "a", "item": "i", "weight": 0}, "'weight' is 0, must be above 0"),
    ("interactions", {"user": "a", "item": "i", "weight": -1.5}, "'weight' is -1.5, must be above 0"),
    ("interactions", {"user": "a", "item": "i", "noise": 1}, "'noise' is 1, must be true or false"),
    ("judged", NOISY | {"score": 11}, "'score' is 11, must be 1..10"),
    ("judged", NOISY | {"score": 0.5}, "'score' is 0.5, must be 1..10"),
    ("judged", NOISY | {"score": -1}, "'score' is -1, must be 1..10"),
    ("judged", NOISY | {"loss": -0.5}, "'loss' is -0.5, must be at least 0"),
    ("judged", NOISY | {"loss": 1e39}, "'loss' is 1e+39, must be finite"),
    ("judged", NOISY | {"candidate": 1}, "'candidate' is 1, must be true or false"),
    ("judged", NOISY | {"batch": 1.0}, "'batch' is 1.0, must be an integer"),
    ("judged", NOISY | {"batch": -1}, "'batch' is -1, must be at least 0"),
    ("judged", NOISY | {"batch": 2**63}, "too large a number"),
    ("judged", NOISY | {"label": 300}, "'label' is 300, must be 0..1"),
    ("judged", NOISY | {"label": -1}, "'label' is -1, must be 0..1"),
    ("judged", {k: v for k, v in NOISY.items() if k != "negative"}, "field 'negative' is missing here but not elsewhere"),
    ("metrics", METRIC | {"k": 0}, "'k' is 0, must be at least 1"),
    ("metrics", METRIC | {"split": 3}, "'split' is 3, must be a string"),
    ("profiles", {"user": "u", "profile": "x", "version": -1}, "'version' is -1, must be at least 0"),
]  # fmt: skip
GOOD_RECORDS = {"interactions": {"user": "a", "item": "b"}, "judged": NOISY, "metrics": METRIC,
                "profiles": {"user": "v", "profile": "y"}}  # fmt: skip


@pytest.mark.parametrize(("kind", "record", "message"), BAD_RECORDS, ids=lambda value: str(value)[:40])
def test_a_bad_record_is_refused_with_its_line(tmp_path: Path, kind: str, record: Record, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(GOOD_RECORDS[kind])}\n\n{json.dumps(record)}\n")  # blank lines count as lines
    with pytest.raises(InputError) as caught:
        read_table(str(path), kind)
    assert str(caught.value).startswith(f"{path}:3: ") and message in str(caught.value)


@pytest.mark.parametrize("form", ["a.jsonl", "a.npz"])
def test_a_table_without_records(tmp_path: Path, form: str) -> None:
    empty = Table("interactions", {name: np.zeros(0, dtype=np.int32) for name in ("user", "item")})
    write_table(str(tmp_path / form), empty)
    with pytest.raises(InputError, match="holds no records"):
        read_table(str(tmp_path / form), "interactions")


# ---- NPZ that somebody else made


def arrays_of(tmp_path: Path) -> dict[str, Any]:
    rows = [{"user": "a", "item": "b", "rating": 2, "noise": True, "x": 1}, {"user": "b", "item": "a"}]
    write_table(str(tmp_path / "a.npz"), read_table(write_text(tmp_path / "a.jsonl", rows), "interactions"))
    return read_arrays(str(tmp_path / "a.npz"))


def as_json(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


META = {"kind": "interactions", "schema": 1}
BAD_ARRAYS: list[tuple[str, dict[str, Any], str]] = [
    ("no meta", {"meta": None}, "has no 'meta' record"),
    ("meta is no JSON", {"meta": np.array([123], np.uint8)}, "does not hold JSON"),
    ("meta is floats", {"meta": np.array([np.nan])}, "does not hold JSON"),
    ("meta is NaN", {"meta": as_json(float("nan"))}, "does not hold JSON"),
    ("meta is a list", {"meta": as_json([1])}, "has no 'meta' record"),
    ("another kind", {"meta": as_json(META | {"kind": "samples"})}, "holds samples, but interactions is wanted here"),
    ("newer schema", {"meta": as_json(META | {"schema": 2})}, "has schema 2 of interactions; this llmhd knows 1"),
    ("a step that is text", {"meta": as_json(META | {"step": "x"})}, "has step \"x\" in its 'meta' record"),
    ("no column", {"item": None}, "column 'item' is missing"),
    ("codes above", {"user": np.array([0, 2], np.int32)}, "column 'user' points outside its id table"),
    ("codes below", {"user": np.array([-1, 0], np.int32)}, "column 'user' points outside its id table"),
    ("no ids", {"user_ids": None}, "column 'user' points outside its id table"),
    ("ids twice", {"user_ids": as_json(["5", 5])}, "is not a list of distinct ids"),
    ("an empty id", {"user_ids": as_json(["", "b"])}, "is not a list of distinct ids"),
    ("a float id", {"user_ids": as_json([1.5, "b"])}, "is not a list of distinct ids"),
    ("a bool id", {"user_ids": as_json([True, "b"])}, "is not a list of distinct ids"),
    ("half a surrogate", {"user_ids": as_json(["\ud800", "b"])}, "does not hold JSON"),
    ("ids in a dictionary", {"user_ids": as_json({"a": 1})}, "is not a list of distinct ids"),
    ("short column", {"item": np.zeros(1, np.int32)}, "columns of different lengths"),
    ("wide column", {"item": np.zeros((2, 1), np.int32)}, "column 'item' is int32 (2, 1), must be int32 (n,)"),
    ("wrong type", {"item": np.zeros(2, np.int64)}, "column 'item' is int64 (2,), must be int32 (n,)"),
    ("complex", {"rating": np.zeros(2, np.complex128)}, "column 'rating' is complex128 (2,), must be float64"),
    ("an infinite number", {"rating": np.array([np.inf, 1])}, "'rating' is inf, must be finite"),
    ("a third truth", {"noise": np.array([2, 0], np.int8)}, "'noise' is 2, must be 0..1"),
    ("an unknown column", {"mass": np.zeros(2)}, "holds an array 'mass' that interactions do not have"),
    ("extra is a number", {"extra": as_json(3)}, "'extra' does not hold the unknown fields"),
    ("extra shadows", {"extra": as_json([{"user": "z"}, {}])}, "'extra' does not hold the unknown fields"),
    ("extra too short", {"extra": as_json([{}])}, "columns of different lengths"),
    ("extra empty", {"extra": as_json([])}, "columns of different lengths"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD_ARRAYS], ids=[case[0] for case in BAD_ARRAYS])
def test_bad_arrays_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in (arrays_of(tmp_path) | change).items() if array is not None}
    write_arrays(str(tmp_path / "b.npz"), arrays)
    with pytest.raises(InputError) as caught:
        read_table(str(tmp_path / "b.npz"), "interactions")
    assert str(caught.value).startswith(f"{tmp_path}/b.npz: ") and message in str(caught.value)


def test_a_required_value_cannot_be_the_missing_mark(tmp_path: Path) -> None:
    write_table(str(tmp_path / "a.npz"), read_table(write_text(tmp_path / "a.jsonl", [NOISY]), "noisy"))
    for name, value in (("candidate", np.int8(-1)), ("loss", np.float32("nan"))):
        write_arrays(str(tmp_path / "b.npz"), read_arrays(str(tmp_path / "a.npz")) | {name: np.array([value])})
        with pytest.raises(InputError, match=f"'{name}' is"):
            read_table(str(tmp_path / "b.npz"), "noisy")


def test_texts_have_only_the_text_form(tmp_path):
    table = from_records("items", [{"item": "a", "profile": "words"}], "items.jsonl")
    with pytest.raises(InputError, match="only the text form"):
        write_table(str(tmp_path / "items.npz"), table)
    assert not list(tmp_path.iterdir())


def test_times_in_nanoseconds_keep_every_digit(tmp_path):
    text, binary = str(tmp_path / "a.jsonl"), str(tmp_path / "a.npz")
    times = [1_700_000_000_123_456_789, -1, 3]
    write_records(text, ({"user": "u", "item": i, "timestamp": time} for i, time in enumerate(times)))
    write_table(binary, read_table(text, "interactions"))
    write_table(str(tmp_path / "b.jsonl"), read_table(binary, "interactions"))
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
