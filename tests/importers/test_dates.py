"""Times: numbers, ISO dates, the shapes that logs have, and the refusal to guess between day and month."""

from __future__ import annotations

import calendar
import math
from array import array
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import refused, skipping, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import read_source
from llmhd_tools.importers.dates import Times, iso, moment


def at(*parts: int) -> float:
    return float(calendar.timegm((*parts, *[0] * (6 - len(parts)), 0, 0, 0)))


def read(*texts: str, shape: str | None = None) -> list[float]:
    times = Times("t", shape)
    return times.done(array("d", [times.add(text) for text in texts])).tolist()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2018-09-20", at(2018, 9, 20)),
        ("2018/9/3", at(2018, 9, 3)),
        ("2018.09.20", at(2018, 9, 20)),
        ("2000-08-28T02:28:23Z", at(2000, 8, 28, 2, 28, 23)),
        ("2000-08-28 02:28", at(2000, 8, 28, 2, 28)),
        ("2000-08-28 02:28:23 UTC", at(2000, 8, 28, 2, 28, 23)),
        ("2000-08-28T02:28:23+02:00", at(2000, 8, 28, 0, 28, 23)),
        ("2000-08-28T02:28:23-0530", at(2000, 8, 28, 7, 58, 23)),
        ("2000-08-28T02:28:23.5+02", at(2000, 8, 28, 0, 28, 23) + 0.5),
        ("1969-12-31", -86400.0),
        ("0001-01-01", -62135596800.0),
    ],
)
def test_iso(text: str, value: float) -> None:
    assert iso(text) == moment(f" {text} ") == value
    assert read(text, text) == [value, value]


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_iso_against_the_standard_library(when: datetime, minutes: int) -> None:
    local = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert math.isclose(iso(local.isoformat()), local.timestamp(), rel_tol=0, abs_tol=1e-5)
    assert math.isclose(
        iso(when.isoformat(" ")), when.replace(tzinfo=timezone.utc).timestamp(), rel_tol=0, abs_tol=1e-5
    )


@pytest.mark.parametrize(
    "text",
    ["2018-13-01", "2018-02-30", "20-09-2018", "2018-09-20T25:00", "2018-09-20T10:00+99", "2018", "", "x", "2018-9"],
)
def test_no_iso_date(text: str) -> None:
    with pytest.raises(ValueError):
        iso(text)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", "2.5", "-3e2"], [1, 2.5, -300]),
        (["20180920", "20180921"], [20180920, 20180921]),  # a number stays one, whatever it may mean
        (["30/12/2000 11:03", "01/02/2001 00:00"], [at(2000, 12, 30, 11, 3), at(2001, 2, 1)]),
        (["01/02/2001", "12/30/2000"], [at(2001, 1, 2), at(2000, 12, 30)]),  # the second one tells
        (["05/05/2000", "07/07/2000"], [at(2000, 5, 5), at(2000, 7, 7)]),  # either way the same
        (["1/2/2001 3:04:05 PM", "1/30/2001 12:00:00 AM"], [at(2001, 1, 2, 15, 4, 5), at(2001, 1, 30)]),
        (["30.12.2000", "01.02.2001"], [at(2000, 12, 30), at(2001, 2, 1)]),
        (["09 13, 2009", "10 2, 2009"], [at(2009, 9, 13), at(2009, 10, 2)]),  # Amazon's reviewTime
        (["May 3, 2018", "Sep 20, 2018"], [at(2018, 5, 3), at(2018, 9, 20)]),
        (["May 3, 2018", "September 20, 2018"], [at(2018, 5, 3), at(2018, 9, 20)]),
        (["20 Sep 2018 10:11:12"], [at(2018, 9, 20, 10, 11, 12)]),
        (["Thu, 20 Sep 2018 10:11:12 GMT"], [at(2018, 9, 20, 10, 11, 12)]),
        (["Thu Sep 20 10:11:12 +0200 2018"], [at(2018, 9, 20, 8, 11, 12)]),  # Twitter's
        (["20-Sep-2018"], [at(2018, 9, 20)]),
        (["30/12/2000, 11:03"], [at(2000, 12, 30, 11, 3)]),
    ],
)
def test_shapes(texts: list[str], values: list[float]) -> None:
    assert read(*texts) == values


def test_day_and_month_are_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"may be day or month first .*`time_format` '%d/%m/%Y' or '%m/%d/%Y'"):
        read("01/02/2001", "03/04/2001")
    assert read("01/02/2001", shape="%d/%m/%Y") == [at(2001, 2, 1)]
    path = write(tmp_path / "a.csv", "user,item,t\na,b,01/02/2001\n")
    refused(
        "a.csv: 't' may be day or month first ('01/02/2001'); say which by `time_format`", "csv", path, timestamp="t"
    )
    source = read_source("csv", path, timestamp="t", time_format="%m/%d/%Y")
    assert source.interactions.numbers["timestamp"].tolist() == [at(2001, 1, 2)]
    refused("`time_format` '%d.%' is no format", "csv", path, UsageError, timestamp="t", time_format="%d.%")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["1", "2018-09-20"], "'t' is '2018-09-20', must be a finite number"),
        (["2018-09-20", "1537401600"], "must be a date like those before"),
        (["30/12/2000", "12/30/2000"], "must be a date like those before"),
        (["20 Sep 18"], "must be a finite number or a date; `time_format` says how it is written"),
        (["yesterday"], "must be a finite number or a date"),
        ([""], "must be a finite number or a date"),
        (["nan"], "must be a finite number or a date"),
    ],
)
def test_what_does_not_fit_is_told(texts: list[str], told: str) -> None:
    with pytest.raises(ValueError, match="'t' is ") as caught:
        read(*texts)
    assert told in str(caught.value)


def test_a_bad_time_takes_no_part_in_telling_the_shape(tmp_path: Path) -> None:
    rows = ["01/02/2001", "soon", "03/04/2001", "99/99/2001", "12/30/2000"]
    path = write(tmp_path / "a.csv", "user,item,w,t\n" + "".join(f"u{n},i,1,{t}\n" for n, t in enumerate(rows)))
    source, bad = skipping("csv", path, timestamp="t", weight="w")
    assert users(source.interactions) == ["u0", "u2", "u4"] and [row["line"] for row in bad] == [3, 5]
    assert source.interactions.numbers["timestamp"].tolist() == [at(2001, 1, 2), at(2001, 3, 4), at(2000, 12, 30)]
    path = write(tmp_path / "b.csv", "user,item,w,t\nu,i,x,13/01/2001\nu,i,1,1/2/2001\nu,i,1,1/30/2001\n")
    source, bad = skipping("csv", path, timestamp="t", weight="w")  # a row that is bad otherwise does not count either
    assert len(bad) == 1 and source.interactions.numbers["timestamp"].tolist() == [at(2001, 1, 2), at(2001, 1, 30)]


def test_dates_of_arrays(tmp_path: Path) -> None:
    when = ["2018-09-20T10:11:12.250", "1960-01-01", "NaT"]
    want = [at(2018, 9, 20, 10, 11, 12) + 0.25, at(1960, 1, 1)]
    for unit in ("ms", "us", "ns"):
        np.savez(tmp_path / "a.npz", user=["a", "b", "c"], item=[1, 2, 3], t=np.array(when, f"M8[{unit}]"))
        refused("row 3: 't' is nan or null, must be a finite number", "npz", tmp_path / "a.npz", timestamp="t")
        source, bad = skipping("npz", tmp_path / "a.npz", timestamp="t")
        assert source.interactions.numbers["timestamp"].tolist() == want and bad[0]["line"] == 3
    np.savez(tmp_path / "d.npz", user=["a"], item=[1], t=np.array(["2018-09-20"], "M8[D]"))
    rows = read_source("npz", tmp_path / "d.npz", timestamp="t").interactions
    assert rows.numbers["timestamp"].tolist() == [at(2018, 9, 20)]
    refused("column 't' is of type datetime64[D], must be numeric", "npz", tmp_path / "d.npz", rating="t")
    table = pa.table({"user": ["a", "b"], "item": ["x", "y"], "t": pa.array([0, None], pa.timestamp("s"))})
    pq.write_table(table, tmp_path / "a.parquet")
    source, bad = skipping("parquet", tmp_path / "a.parquet", timestamp="t")
    assert source.interactions.numbers["timestamp"].tolist() == [0] and bad[0]["line"] == 2


def test_json_dates(tmp_path: Path) -> None:
    lines = ['{"user": 1, "item": 2, "t": "2018-09-20"}', '{"user": 1, "item": 3, "t": "2018-09-21T00:00:00Z"}']
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    rows = read_source("jsonl", path, timestamp="t").interactions
    assert rows.numbers["timestamp"].tolist() == [at(2018, 9, 20), at(2018, 9, 21)]
    any_: Any = write(tmp_path / "b.jsonl", '{"user": 1, "item": 2, "t": true}')
    refused("'t' is True, must be a finite number or a date", "jsonl", any_, timestamp="t")
