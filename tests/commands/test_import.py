"""What import writes can be read again by everything else."""

import json

from llmhd_tools.cli import main


def write_csv(path, rows):
    path.write_text("user,item,stars,day\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows), encoding="utf-8")
    return str(path)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_filters_splits_and_the_low_rated_pool(tmp_path):
    rows = [(f"u {u}", f"ü{i}", 1 + (u + i) % 5, 10 * u + i) for u in range(12) for i in range(10)]
    source, out, low = write_csv(tmp_path / "a.csv", rows), tmp_path / "out", tmp_path / "low.jsonl"
    words = [
        "--rating",
        "stars",
        "--timestamp",
        "day",
        "--min-rating",
        "3",
        "--low-rated",
        str(low),
        "--split-by",
        "time",
    ]
    assert main(["import", "csv", source, "-o", str(out), *words]) == 0
    parts = {name: read(out / f"{name}.jsonl") for name in ("train", "valid", "test")}
    kept = [row for part in parts.values() for row in part]
    assert len(kept) == sum(row[2] >= 3 for row in rows) and all(row["rating"] >= 3 for row in kept)
    assert {row["rating"] for row in read(low)} == {1, 2}
    for user in {row["user"] for row in kept}:
        newest = [max(row["timestamp"] for row in parts[name] if row["user"] == user) for name in parts]
        assert newest == sorted(newest), "valid and test hold the latest rows"
    assert main(["validate", *(str(out / f"{name}.jsonl") for name in parts), str(low)]) == 0


def test_a_part_without_rows_is_told_and_not_written(tmp_path, capfd):
    source, out = write_csv(tmp_path / "a.csv", [("u", "i", 1, 1)]), tmp_path / "out"
    assert main(["import", "csv", source, "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["train.jsonl"]
    assert "no rows for valid and test" in capfd.readouterr().err


def test_two_imports_of_one_seed_are_the_same_bytes(tmp_path):
    source = write_csv(tmp_path / "a.csv", [(u, i, 5, 0) for u in range(20) for i in range(9) if (u * i) % 4])
    for name in ("one", "two"):
        assert main(["import", "csv", source, "-o", str(tmp_path / name), "--seed", "4", "--k-core", "3"]) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
