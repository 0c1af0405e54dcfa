"""What ``validate``, ``convert``, ``evaluate`` and ``inject-noise`` say of files and words that are not as one thinks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main


def run(capfd: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[list[str], list[str]]:
    """What a command writes to stdout and what it says."""
    assert main([str(word) for word in words]) == code
    out, err = capfd.readouterr()
    return out.splitlines(), err.splitlines()


def own_embeddings(path: Path, users: list[Any], items: list[Any], u: Any, i: Any, kind: str = "embeddings") -> Path:
    """As docs/formats.md says how to."""

    def pack(value: object) -> Any:
        return np.frombuffer(json.dumps(value).encode(), np.uint8)

    meta, user_ids, item_ids = map(pack, ({"kind": kind, "schema": 1}, users, items))
    np.savez(
        path,
        meta=meta,
        user_ids=user_ids,
        user=np.asarray(u, np.float32),
        item_ids=item_ids,
        item=np.asarray(i, np.float32),
    )
    return path


# ---- validate


def test_one_s_own_embeddings_are_good(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = own_embeddings(tmp_path / "a.npz", ["u"], ["i", "j"], [[1, 2]], [[1, 2], [3, 4]])
    out, err = run(capfd, "validate", path)
    assert out == [f"{path}: embeddings, 1 user, 2 items; no seal, so a changed byte could not be told"] and err == []
    run(capfd, "convert", write_jsonl(tmp_path / "a.jsonl", [{"user": 1, "item": 2}]), tmp_path / "b.npz")
    out, _ = run(capfd, "validate", tmp_path / "b.npz")
    assert out == [f"{tmp_path / 'b.npz'}: interactions, 1 record"]
    data = bytearray((tmp_path / "b.npz").read_bytes())
    for at in (len(data) - 1, len(data) - 70, 100):  # in the seal, in its mark, before it
        changed = bytearray(data)
        changed[at] ^= 1
        (tmp_path / "c.npz").write_bytes(changed)
        out, err = run(capfd, "validate", tmp_path / "c.npz", code=1)
        assert out == [] and len(err) == 1


def test_every_bad_line_is_told(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"user": 1, "item": 2}\n{"user": 1}\nno JSON\n{"user": 1, "item": 2, "rating": "x"}\n')
    good = write_jsonl(tmp_path / "b.jsonl", [{"user": 1, "item": 2}])
    out, err = run(capfd, "validate", path, good, code=1)
    assert out == [f"{good}: interactions, 1 record"]
    assert [line.split(":")[2].strip() for line in err] == ["2", "3", "4"]
    assert all(line.startswith(f"llmhd validate: {path}:") for line in err)
    path.write_text('{"user": 1, "item": 2}\n' + '{"user": 1}\n' * 30)
    _, err = run(capfd, "validate", path, code=1)
    assert len(err) == 21 and err[-1] == f"llmhd validate: {path}: there is more; these are the first 20 bad lines"
    path.write_text('{"userId": 1, "movieId": 2}\n' * 30)
    _, (line,) = run(capfd, "validate", path, code=1)
    assert f"`llmhd import jsonl {path} --user userId --item movieId -o FOLDER`" in line
    _, (line,) = run(capfd, "validate", good, "--kind", "spells", code=2)
    assert "--kind spells is unknown; known: interactions" in line


def test_names_that_are_not_utf_8(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl")
    Path(name).write_text('{"user": 1, "item": 2}\n')
    assert main(["validate", name]) == 0
    assert capfdbinary.readouterr().out.endswith(b"caf\\udce9.jsonl: interactions, 1 record\n")
    assert main(["convert", name, name.replace(".jsonl", ".npz")]) == 0
    assert main(["validate", name.replace(".jsonl", ".npz")]) == 0
    Path(name).write_text("x\n")
    assert main(["validate", name]) == 1
    assert b"caf\\udce9.jsonl:1: is not a JSON record" in capfdbinary.readouterr().err
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9")
    Path(name).write_text('{"user": 1, "item": 2}\n')
    assert main(["import", "jsonl", name, "-o", folder, "--rejected", f"{folder}/r.jsonl"]) == 0
    assert json.loads(Path(folder, "train.jsonl").read_text()) == {"user": "1", "item": "2"}


def test_a_file_of_a_bad_name_is_named_among_the_rejected(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    Path(name).write_text("user,item\na,b\na,\na,b\n")
    words = ["import", "csv", name, "-o", str(tmp_path / "out"), "--skip-bad", "--rejected", str(tmp_path / "r.jsonl")]
    assert main(words) == 0
    assert [row["line"] for row in read_jsonl(tmp_path / "r.jsonl")] == [3, 2]


def test_long_windows(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=30, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(packer.compress(b'{"user": 1, "item": 2}\n') + packer.flush())
    _, (line,) = run(capfd, "validate", path, code=1)
    assert "window of more than 128 MiB" in line and "zstd -d --long=31 x.jsonl.zst" in line
    path = path.rename(tmp_path / "x.csv.zst")
    _, (line,) = run(capfd, "import", "csv", path, "-o", tmp_path / "out", code=1)
    assert "zstd -d --long=31 x.csv.zst" in line


def test_standard_input_by_its_name(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    for command in (["validate", "-"], ["convert", "-", "-"], ["inject-noise", "-", "--ratio", "0.1"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"user": 1, "item": 2}\nx\n')))
        _, (line,) = run(capfd, *command, code=1)
        assert f"llmhd {command[0]}: stdin:2: is not a JSON record" in line


# ---- convert and other outputs


@pytest.mark.parametrize("name", ["m.csv", "m.parquet", "m.txt", "m.csv.gz", "m.tsv"])
def test_a_suffix_of_another_form_is_refused_before_the_work(
    capfd: pytest.CaptureFixture[str], tiny: Path, name: str
) -> None:
    target = tiny / name
    for words in (
        ["convert", tiny / "train.jsonl", target],
        ["inject-noise", tiny / "train.jsonl", "--ratio", "0.1", "-o", target],
        ["evaluate", tiny / "none.npz", tiny / "test.jsonl", "-o", target],
        ["summarize", tiny / "train.jsonl", "--items", tiny / "items.jsonl", "-o", target],
        [
            "score",
            tiny / "none.jsonl",
            "--profiles",
            tiny / "profiles.jsonl",
            "--items",
            tiny / "items.jsonl",
            "-o",
            target,
        ],
        ["embed", tiny / "items.jsonl", "-o", target],
        ["compare", tiny, "-o", target] if not name.endswith("txt") else ["convert", tiny / "train.jsonl", target],
        ["plot", tiny, "-o", target],
        ["train-epoch", tiny / "train.jsonl", "-o", target],
    ):
        _, err = run(capfd, *words, code=2 if words[0] == "plot" else 1)
        assert len(err) == 1 and str(target) in err[0]
        assert ("neither in .svg" if words[0] == "plot" else "name it") in err[0]
        assert not target.exists()


def test_names_without_a_suffix_and_special_files(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("copy", "run-0.05", "/dev/null"):
        run(capfd, "convert", tiny / "train.jsonl", tiny / name)
    assert read_jsonl(tiny / "run-0.05") == read_jsonl(tiny / "copy") == read_jsonl(tiny / "train.jsonl")


# ---- evaluate


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Case 48: a's test pairs; embeddings of two users and four items."""
    z = [[1, 0], [0, 1]], [[4, 1], [3, 2], [2, 3], [1, 4]]
    own_embeddings(tmp_path / "z.npz", ["a", "b"], ["1", "2", "3", "4"], *z)
    write_jsonl(tmp_path / "test.jsonl", [{"user": "a", "item": item} for item in ("1", "2")])
    write_jsonl(
        tmp_path / "train.jsonl", [{"user": u, "item": i} for u, i in (("a", "1"), ("a", "2"), ("b", "2"), ("b", "3"))]
    )
    return tmp_path


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_held_out_pairs_that_are_excluded_are_told_even_when_quiet(
    capfd: pytest.CaptureFixture[str], world: Path, quiet: list[str]
) -> None:
    words = ["evaluate", world / "z.npz", world / "test.jsonl", "--exclude", world / "train.jsonl", "--at", 1, *quiet]
    out, err = run(capfd, *words)
    assert err == [
        f"evaluate: 2 of 2 pairs of {world / 'test.jsonl'} are in --exclude too; they are ranked all the same"
    ]
    assert json.loads(out[0])["value"] == 0.5
    write_jsonl(
        world / "train.jsonl", [{"user": "a", "item": "3"}, {"user": "b", "item": "1"}, {"user": "x", "item": "1"}]
    )
    assert run(capfd, *words)[1] == []


def test_without_exclude_that_is_said(capfd: pytest.CaptureFixture[str], world: Path) -> None:
    words = ["evaluate", world / "z.npz", world / "test.jsonl"]
    assert run(capfd, *words)[1] == [
        "evaluate: without --exclude the items that users have in training stand in their lists too"
    ]
    assert run(capfd, *words, "-q")[1] == []


def test_equal_scores_do_not_follow_the_order_of_the_file(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Case 49: all scores equal, the items in two orders: the same values, close to chance, and told."""
    users, items = [f"u{n}" for n in range(300)], [f"i{n}" for n in range(100)]
    write_jsonl(tmp_path / "test.jsonl", [{"user": u, "item": i} for u in users for i in items[:5]])
    found = []
    for names in (items, items[::-1], sorted(items)):
        own_embeddings(tmp_path / "z.npz", users, names, np.ones((300, 3)), np.ones((100, 3)))
        out, err = run(
            capfd, "evaluate", tmp_path / "z.npz", tmp_path / "test.jsonl", "--metrics", "recall,ndcg,mrr", "--at", "10"
        )
        assert "evaluate: of 300 users 300 have held-out items that score as others in reach of the list do" in err[1]
        found.append([json.loads(line)["value"] for line in out])
    assert found[0] == found[1] == found[2]
    assert abs(found[0][0] - 0.1) < 0.04


def test_distinct_scores_say_nothing_of_ties(capfd: pytest.CaptureFixture[str], world: Path) -> None:
    write_jsonl(world / "train.jsonl", [{"user": "a", "item": "4"}])
    assert run(capfd, "evaluate", world / "z.npz", world / "test.jsonl", "--exclude", world / "train.jsonl")[1] == []


def test_numbers_too_large_to_rank(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own_embeddings(tmp_path / "z.npz", ["a"], ["i"], [[1e30, 1]], [[1e30, 1]])
    write_jsonl(tmp_path / "test.jsonl", [{"user": "a", "item": "i"}])
    _, (line,) = run(capfd, "evaluate", tmp_path / "z.npz", tmp_path / "test.jsonl", code=1)
    assert "more than a float32 holds; scale them down" in line


# ---- inject-noise


def test_a_ratio_above_one_is_told(capfd: pytest.CaptureFixture[str], tiny: Path) -> None:
    _, err = run(capfd, "inject-noise", tiny / "train.jsonl", "--ratio", "1.5", "-o", tiny / "n.jsonl", "-q")
    assert err == ["inject-noise: --ratio 1.5 adds 1.5 noisy rows for each clean one; for 1.5 % it is 0.015"]
    _, err = run(capfd, "inject-noise", tiny / "train.jsonl", "--ratio", "1", "-o", tiny / "n.jsonl", "-q")
    assert err == []
