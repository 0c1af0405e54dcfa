"""What import writes can be read again by everything else."""

import io
import json

from llmhd_tools.cli.app import main


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
    assert sorted(path.name for path in out.iterdir()) == ["import.json", "train.jsonl"]
    assert "no rows for valid and test" in capfd.readouterr().err


def test_item_texts_from_a_table_of_their_own(tmp_path, capfd):
    source, out = write_csv(tmp_path / "a.csv", [(f"u{n}", f"i{n % 3}", 1, 1) for n in range(9)]), tmp_path / "out"
    texts = tmp_path / "t.tsv"
    texts.write_text("item\ttitle\tabout\ni0\tA\tof bees\ni1\tB\t \nnever sold\tC\tof ünicorns\n", encoding="utf-8")
    assert main(["import", "csv", source, "-o", str(out), "--texts", str(texts), "--text", "about"]) == 0
    assert read(out / "items.jsonl") == [
        {"item": "i0", "profile": "of bees"},
        {"item": "never sold", "profile": "of ünicorns"},
    ]
    assert main(["validate", "-q", "--kind", "items", str(out / "items.jsonl")]) == 0
    capfd.readouterr()
    for words, code, told in (
        (["--texts", str(texts)], 1, "t.tsv:1: column 'profile' is not among the columns item, title, about"),
        (["--text", "about"], 2, "--text is for --texts"),
        (["--texts", str(out / "items.xml")], 2, "items.xml: cannot tell the kind of table"),
    ):
        assert main(["import", "csv", source, "-o", str(out), *words]) == code
        assert told in capfd.readouterr().err
    texts.write_text("item\tprofile\ni0\tone\ni0\ttwo\n")
    assert main(["import", "csv", source, "-o", str(out), "--texts", str(texts)]) == 1
    assert "t.tsv:3: item 'i0' stands twice" in capfd.readouterr().err


def test_other_delimiters_no_header_and_a_pipe(tmp_path, capfd, monkeypatch):
    source = tmp_path / "a.csv"
    source.write_text("u1;i1\nu2;i2\n")
    words = ["-o", str(tmp_path), "--split", "none"]
    assert main(["import", "csv", str(source), *words]) == 1
    assert "column 'user' is not among the columns u1;i1; ';' seems to separate them" in capfd.readouterr().err
    shape = ["--delimiter", ";", "--no-header", "--user", "1", "--item", "2"]
    want = [{"user": "u1", "item": "i1"}, {"user": "u2", "item": "i2"}]
    for name in (str(source), "-"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
        assert main(["import", "csv", name, *words, *shape]) == 0
        assert read(tmp_path / "interactions.jsonl") == want
        (tmp_path / "interactions.jsonl").unlink()
    capfd.readouterr()
    assert main(["import", "npz", str(source), *words, "--delimiter", ";"]) == 2
    assert "--delimiter is for csv, tsv, not for npz" in capfd.readouterr().err
    assert main(["import", "xml", str(source), *words]) == 2
    assert "columns" not in capfd.readouterr().err, "a name for programs"


def test_two_imports_of_one_seed_are_the_same_bytes(tmp_path):
    source = write_csv(tmp_path / "a.csv", [(u, i, 5, 0) for u in range(20) for i in range(9) if (u * i) % 4])
    for name in ("one", "two"):
        assert main(["import", "csv", source, "-o", str(tmp_path / name), "--seed", "4", "--k-core", "3"]) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
