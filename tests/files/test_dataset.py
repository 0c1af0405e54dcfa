"""The folder of an import: what an earlier import left goes, what somebody else wrote stays, and a kill mixes nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.files import dataset
from llmhd_tools.files.dataset import FILES, RECORD, dataset_folder, write_dataset
from llmhd_tools.files.table import Table


def table(*items: str) -> Table:
    made = Table("interactions", {})
    made.columns = {"user": np.zeros(len(items), np.int32), "item": made.items.add(items)}
    made.users.add(["u"])
    return made


def make(folder: Path, texts: Any = None, **parts: Table) -> dict[str, int]:
    with dataset_folder(str(folder)):
        return write_dataset(str(folder), parts, texts or {}, {"rows": {"read": 3}})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


ITEMS = {"items": [{"item": "a", "profile": "x"}]}


def test_a_dataset_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    counts = make(folder, ITEMS, train=table("a", "b"), valid=table("c"), test=table())
    assert counts == {str(folder / "train.jsonl"): 2, str(folder / "valid.jsonl"): 1, str(folder / "items.jsonl"): 1}
    assert names(folder) == {"train.jsonl", "valid.jsonl", "items.jsonl", RECORD}
    record = json.loads((folder / RECORD).read_text())
    assert record["rows"] == {"read": 3} and set(record["files"]) == names(folder) - {RECORD}
    (folder / "low.jsonl").write_text("mine")
    make(folder, interactions=table("a"))
    assert names(folder) == {"interactions.jsonl", RECORD, "low.jsonl"}
    make(folder, ITEMS, train=table("a", "b"))
    assert names(folder) == {"train.jsonl", "items.jsonl", RECORD, "low.jsonl"}


@pytest.mark.parametrize("name", FILES)
def test_somebody_s_file_stays_and_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(InputError, match=f"holds {name}, which no import wrote .* move it away"):
        make(tmp_path, train=table("a"), valid=table("b"))
    assert names(tmp_path) == {name} and (tmp_path / name).read_text() == "mine\n"


def test_a_file_that_was_changed_since_is_somebody_s(tmp_path: Path) -> None:
    make(tmp_path, ITEMS, train=table("a"), test=table("b"))
    for name in ("items.jsonl", "train.jsonl"):
        with (tmp_path / name).open("a") as stream:
            stream.write("\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        InputError, match=r"holds train\.jsonl and items\.jsonl, which no import wrote .* move them away"
    ):
        make(tmp_path, train=table("c"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "items.jsonl").unlink()
    (tmp_path / "train.jsonl").unlink()
    make(tmp_path, train=table("c"))
    assert names(tmp_path) == {"train.jsonl", RECORD}


def test_a_record_that_is_none(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text("[")
    with pytest.raises(InputError, match=r"import\.json: is not the record of an import"):
        make(tmp_path, train=table("a"))
    (tmp_path / RECORD).write_text('{"files": 3}')
    make(tmp_path, train=table("a"))


def test_a_failure_leaves_all_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(InputError, match="cannot be written as JSON"):
        make(folder, {"items": [{"item": float("nan")}]}, train=table("a"))
    assert not folder.exists()
    make(folder, train=table("a"), test=table("b"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="cannot be written as JSON"):
        make(folder, {"items": [{"item": float("nan")}]}, train=table("c"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def _killed(folder: Path, at: int) -> None:
    """Writes a dataset and ends, as if killed, at the ``at``-th change of the folder after the staging."""
    left = [at]

    def counting(change: Any) -> Any:
        def change_or_die(*args: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return change(*args)

        return change_or_die

    staged = [dataset.write_json, os.replace, Path.unlink]
    dataset.write_json, Path.unlink = counting(staged[0]), counting(staged[2])  # type: ignore[assignment]
    real = os.replace
    os.replace = lambda a, b: (counting_replace if dataset._STAGED in str(a) and "/." not in str(b) else real)(a, b)  # type: ignore[assignment]
    counting_replace = counting(real)
    make(folder, ITEMS, train=table("new"), valid=table("new"))
    os._exit(0)


@pytest.mark.parametrize("at", range(6))
def test_a_kill_never_leaves_a_mixture_and_the_next_import_goes_on(tmp_path: Path, at: int) -> None:
    folder = tmp_path / "data"
    make(folder, train=table("old"), valid=table("old"), test=table("old"))
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(folder, at))
    process.start()
    process.join()
    assert process.exitcode in (9, 0)
    words = {
        ("old" if '"old"' in path.read_text() else "new")
        for path in folder.glob("*.jsonl")
        if path.name != "items.jsonl"
    }
    assert len(words) <= 1, "old and new files side by side"
    make(folder, interactions=table("last"))
    assert names(folder) == {"interactions.jsonl", RECORD}, "what the killed one left is gone"


def test_one_import_at_a_time(tmp_path: Path) -> None:
    with dataset_folder(str(tmp_path)), pytest.raises(InputError, match="is in use by another process"):
        make(tmp_path, train=table("a"))
