"""Kinds: the schema is sound, and a JSONL shows by its fields what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.fields import TYPES
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.kinds import faults, read_any
from llmhd_tools.files.schema import KINDS

EXAMPLES = {
    "interactions": {"user": 1, "item": 2, "rating": 3},
    "items": {"item": 1, "profile": "x", "title": "y"},
    "appraisals": {"item": 1, "score": 7.5},
    "rejected": {"file": "a.csv", "line": 3, "reason": "repeated", "user": 1, "item": 2, "rating": 3},
    "profiles": {"user": 1, "profile": "x", "version": 0},
    "samples": {"batch": 0, "user": 1, "item": 2, "negative": 3, "loss": 0.5},
    "noisy": {"row": 0, "batch": 0, "user": 1, "item": 2, "negative": 3, "loss": 0.5, "candidate": False},
    "judged": {"batch": 0, "user": 1, "item": 2, "label": 1, "loss": 0.5, "candidate": True, "score": 3},
    "flags": {"user": 1, "item": 2, "label": 0, "count": 3, "sent": False},
    "verdicts": {"user": 1, "item": 2, "verdict": "hard"},
    "relations": {"user": 1, "item": 2, "label": 0, "user_view": "High", "item_view": "Mid", "verdict": "noisy"},
    "recommendations": {"user": 1, "item": 2, "rank": 1, "score": 0.5, "because": [{"item": 3, "part": 0.25}]},
    "doubts": {"user": 1, "rows": 5, "noise_score": 0.7, "noise_share": 0.4, "z": 1.5},
    "metrics": {"split": "test", "metric": "recall", "k": 5, "value": 0.5},
    "suspects": {"user": 1, "item": 2, "prediction": 0.5, "suspicion": 1.5, "cut": True},
    "comparison": {"row": "BPR", "metric": "recall", "k": 5, "value": 0.5},
    "trials": {"trial": 1, "metric": "ndcg", "k": 10, "value": 0.5, "epoch": 3, "lr": 0.01},
    "agreement": {"against": "noise", "measure": "auc", "value": 0.7, "pairs": 640},
    "diagnostics": {"epoch": 5, "within": "all", "group": "hard", "measure": "loss", "statistic": "mean", "value": 0.5},
}


def test_every_kind_is_sound() -> None:
    for name, kind in KINDS.items():
        fields = [spec.name for spec in kind.fields]
        assert kind.name == name and len(set(fields)) == len(fields) and kind.schema >= 1
        assert set(kind.forms) <= {"text", "binary"} and all(spec.type in TYPES for spec in kind.fields)
        assert not {"meta", "extra", "user_ids", "item_ids"} & set(fields)
        if "text" in kind.forms:
            assert any(spec.required for spec in kind.fields) and name in EXAMPLES
        else:
            assert kind.arrays and not kind.fields


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_jsonl_shows_its_kind(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(EXAMPLES[kind] | {"unknown": [1]}) + "\n")
    assert read_any(str(tmp_path / "a.jsonl")).kind == kind


def test_what_shows_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": 1}\n')
    with pytest.raises(InputError, match=r"fits no known kind by its fields \(x\)"):
        read_any(str(path))
    with pytest.raises(InputError, match=r"a\.jsonl:1: field 'user' is missing"):
        read_any(str(path), "interactions")
    with pytest.raises(UsageError, match="`kind` spells is unknown"):
        read_any(str(path), "spells")
    path.write_text("")
    with pytest.raises(InputError, match="holds no records"):
        read_any(str(path))


def test_ids() -> None:
    ids = Ids()
    assert ids.add(["a", 5, "5", "a"]).tolist() == [0, 1, 1, 0] and ids.names == ["a", 5]
    assert ids.add([]).tolist() == [] and len(ids) == 2
    assert ids.find([5, "b", "a"]).tolist() == [1, -1, 0]
    assert ids.translate(Ids(["5"])).tolist() == [-1, 0]
    assert ids.take(ids.find(["5", "a"])) == [5, "a"]
    assert Ids(["05"]).find([5]).tolist() == [-1]


@pytest.mark.parametrize("other", sorted({spec.name for kind in KINDS.values() for spec in kind.fields}))
def test_items_are_items_whatever_else_their_fields_are_called(tmp_path: Path, other: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({other: "x", "item": 1, "profile": "x"}) + "\n")
    assert read_any(str(tmp_path / "a.jsonl")).kind == "items"


def test_interactions_under_other_names_are_sent_to_the_import(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"reviewerID": "a", "asin": "b", "overall": 5}\n')
    with pytest.raises(InputError, match=r"import jsonl .* --user reviewerID --item asin -o FOLDER` reads"):
        read_any(str(path))


def told(path: Path, kind: str | None = None, limit: int = 20) -> tuple[list[str], bool]:
    found, more = faults(str(path), kind, limit)
    assert all(str(error).startswith(f"{path}:") for error in found)
    return [str(error).removeprefix(f"{path}:") for error in found], more


def test_every_bad_line_is_told_in_order(tmp_path: Path) -> None:
    path, good = tmp_path / "a.jsonl", '{"user": 1, "item": 2, "rating": 3}'
    bad = ['{"user": 1, "item": ""}', '{"user": 1}', "no JSON", '{"user": 1, "item": 2, "rating": "x"}', "[]"]
    path.write_bytes("\n".join([good, *bad, good, ""]).encode() + b'{"user": "\xff", "item": 1}\n')
    lines, more = told(path)
    assert [line.split(":")[0] for line in lines] == ["2", "3", "4", "5", "6", "8"] and not more
    assert "'item' is empty" in lines[0] and "field 'item' is missing" in lines[1] and "is not UTF-8" in lines[5]
    for limit in range(1, 6):
        assert told(path, "interactions", limit) == (lines[:limit], True)
    assert told(path, "interactions", 6) == (lines, False)


def test_what_is_wrong_with_no_single_line_is_told_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for text in ('{"item": 1, "profile": "x"}\n' * 3, "", '{"x": 1}\n'):
        path.write_text(text)
        assert told(path, "interactions") == ([], False)


def test_the_bad_lines_among_many_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(f'{{"user": {n}, "item": {n % 7}, "rating": {n if n % 900 else "null, 2"}}}\n' for n in range(3000))
    )
    lines, more = told(path, limit=3)
    assert [line.split(":")[0] for line in lines] == ["1", "901", "1801"] and more
