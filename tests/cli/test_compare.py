"""``compare`` over run folders: rows, pairs, notices, and tables that hostile names cannot break."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from llmhd_tools.cli.app import main

ROOT = Path(__file__).parents[2]


def make_run(folder: Path, seed: int | None, value: float, **settings: Any) -> Path:
    """A finished run's folder: recall and ndcg at 10 on test, two epochs on valid, of which the second is best."""
    folder.mkdir(parents=True)
    files = {"train": f"noisy-{seed}.jsonl", "valid": "valid.jsonl", "test": "test.jsonl"}
    (folder / "settings.json").write_text(json.dumps(files | {"seed": seed, "denoise": "none"} | settings))
    (folder / "progress.json").write_text(json.dumps({"epoch": 2, "best_epoch": 2, "best": value}))
    records = [
        (1, "valid", "ndcg", 10, value / 2),
        (2, "valid", "ndcg", 10, value),
        (2, "train", "loss", None, 1 - value),
    ]
    records += [(2, "test", "recall", 10, value), (2, "test", "ndcg", 10, 2 * value)]
    names = ("epoch", "split", "metric", "k", "value")
    lines = [{n: v for n, v in zip(names, r, strict=True) if v is not None} for r in records]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


VALUES = {"bpr": [0.10, 0.12, 0.11], "llmhd": [0.13, 0.16, 0.13]}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two methods of three seeds, and the words that name them."""
    monkeypatch.chdir(tmp_path)
    for method, values in VALUES.items():
        for seed, value in enumerate(values, start=1):
            make_run(tmp_path / "runs" / f"{method}-{seed}", seed, value, denoise=method)
    return sorted(f"runs/{path.name}" for path in (tmp_path / "runs").iterdir())


def compared(capfd: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["compare", *words, "--format", "jsonl"]) == 0
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def refused(capfd: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["compare", *words]) == code
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("llmhd compare: ")
    return err


def test_records_are_the_statistics_of_the_runs(capfd: pytest.CaptureFixture[str], runs: list[str]) -> None:
    records = {(r["row"], r["metric"]): r for r in compared(capfd, *runs)}
    assert list(records) == [("bpr", "recall"), ("llmhd", "recall"), ("bpr", "ndcg"), ("llmhd", "ndcg")]
    best = records["llmhd", "recall"]
    assert best["value"] == pytest.approx(np.mean(VALUES["llmhd"])) and best["sd"] == pytest.approx(0.01 * np.sqrt(3))
    assert best["p"] == pytest.approx(stats.ttest_rel(VALUES["llmhd"], VALUES["bpr"]).pvalue)
    assert (best["against"], best["place"], best["runs"], best["epoch"], best["k"]) == ("bpr", 1, 3, 2.0, 10)
    assert records["bpr", "recall"]["place"] == 2 and "p" not in records["bpr", "recall"]


def test_rows_are_named_by_folder_or_by_word(
    capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path
) -> None:
    for name, seed in (("deep/1", 1), ("deep/seed-2", 2), ("plain", None), ("alpha-3000-s4", 4)):
        make_run(tmp_path / name, seed, 0.2)
    words = ["Mine=runs/bpr-*", "deep/1", "deep/seed-2", "plain", "alpha-3000-s4"]
    found = {r["row"]: r["runs"] for r in compared(capfd, *words, "--metrics", "recall@10")}
    assert found == {"Mine": 3, "deep": 2, "plain": 1, "alpha-3000": 1}


def test_other_splits_are_of_the_best_epoch(capfd: pytest.CaptureFixture[str], runs: list[str]) -> None:
    records = compared(capfd, *runs, "--split", "valid")
    assert [r["value"] for r in records] == pytest.approx([np.mean(VALUES["bpr"]), np.mean(VALUES["llmhd"])])
    loss = {r["row"]: r for r in compared(capfd, *runs, "--split", "train", "--metrics", "loss")}
    assert loss["llmhd"]["place"] == 1 and loss["llmhd"]["value"] < loss["bpr"]["value"]


def test_tables_mark_best_runner_up_and_tests(
    capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path
) -> None:
    (tmp_path / "published.jsonl").write_text(
        '{"row": "llmhd", "metric": "recall", "k": 10, "value": 0.0999}\n'
        '{"row": "other", "metric": "recall", "k": 10, "value": 0.05}\n'
        '{"row": "other", "metric": "map", "k": 10, "value": 0.04}\n'
    )
    words = [*runs, "--metrics", "recall@10", "--baseline", "bpr", "--beside", "published.jsonl"]
    assert main(["compare", *words, "-o", "t.md"]) == 0
    assert (tmp_path / "t.md").read_text() == (
        "|  | runs | epoch | recall@10 |\n| --- | ---: | ---: | ---: |\n"
        "| bpr | 3 | 2 | <u>0.1100 ± 0.0100</u> |\n"
        "| llmhd | 3 | 2 | **0.1400 ± 0.0173**\\* |\n"
        "| llmhd (published) |  |  | 0.0999 |\n"
        "| other (published) |  |  | 0.0500 |\n\n"
        "Mean ± sd over seeds; bold: best; underlined: runner-up; p of the best against the runner-up, paired t-test: "
        "recall@10 0.035; \\* p \\< 0.05, \\*\\* p \\< 0.01; published: figures of others, neither ranked nor tested.\n"
    )
    assert main(["compare", *words, "-o", "t.tex"]) == 0
    text = (tmp_path / "t.tex").read_text()
    assert "bpr & 3 & 2 & \\underline{0.1100 $\\pm$ 0.0100} \\\\\n" in text
    assert "llmhd & 3 & 2 & \\textbf{0.1400 $\\pm$ 0.0173}$^{*}$ \\\\\n" in text
    assert main(["compare", *words]) == 0
    table = capfd.readouterr().out
    assert "0.1400 ± 0.0173*" in table and "\x1b" not in table, "styles are for terminals"
    assert main(["compare", *words, "-o", "t.jsonl"]) == 0
    assert main(["validate", "t.jsonl", "-q"]) == 0
    assert [json.loads(line).get("published") for line in (tmp_path / "t.jsonl").open()] == [None, None, True, True]


HOSTILE = "a_b & 50% $x$ #1 {~^\\} |*`<b>[l](u) \x1b[31mred\nnew 名"


def test_a_hostile_name_breaks_no_table(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    words = [f"{HOSTILE}=runs/bpr-*", "x\\=runs/llmhd-*", "--metrics", "recall@10"]
    for form in ("table", "markdown", "latex"):
        assert main(["compare", *words, "--format", form]) == 0
        out = capfd.readouterr().out
        assert "\x1b" not in out and "\\x1b" in out.replace("\\textbackslash{}", "\\").replace("\\\\", "\\")
        row = next(line for line in out.splitlines() if "a_b" in line.replace("\\", ""))
        assert "名" in row and "0.1100" in row, "one row stays one line"
    latex = re.sub(r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\$[<>|]\$|\\[&%$#_{}]", "", row)
    name = latex.split(" & 3 & ")[0]
    assert not set("&%$#_{}~^\\") & set(name), "nothing that LaTeX obeys is left bare"
    assert main(["compare", *words, "--format", "markdown"]) == 0
    row = next(line for line in capfd.readouterr().out.splitlines() if "名" in line)
    bare = re.sub(r"\\[\\`*_<>\[\]|#&~$]", "", row.split(" | 3 | ")[0].removeprefix("| "))
    assert not set("\\`*_<>[]|#&~$") & set(bare)


def test_on_a_terminal_the_best_is_bold(runs: list[str]) -> None:
    words = [sys.executable, "-m", "llmhd_tools", "compare", *runs, "--metrics", "recall@10"]
    code = "import pty, sys; pty.spawn(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], stdin=subprocess.DEVNULL, capture_output=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    assert b"\x1b[1m0.1400" in done.stdout and b"\x1b[4m0.1100" in done.stdout, done.stdout


def test_pooled_runs_are_paired_by_seed_and_training_file(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {("a", 1): (0.10, 0.13), ("a", 2): (0.20, 0.21), ("b", 1): (0.30, 0.32), ("b", 2): (0.05, 0.05)}
    for (train, seed), pair in values.items():
        for method, value in zip(("bpr", "new"), pair, strict=True):
            make_run(tmp_path / train / f"{method}-{seed}", seed, value, denoise=method, train=f"{train}.jsonl")
    words = ["bpr=*/bpr-*", "new=*/new-*", "--baseline", "bpr", "--metrics", "recall@10"]
    assert "is of seed 1, as is a/bpr-1" in refused(capfd, 1, *words)
    plain, new = compared(capfd, *words, "--pooled")
    other = [pair[1] for pair in values.values()]
    assert (plain["runs"], new["runs"]) == (4, 4) and new["value"] == pytest.approx(np.mean(other))
    seeds = [np.mean([values[train, seed][1] - values[train, seed][0] for train in "ab"]) for seed in (1, 2)]
    assert new["p"] == pytest.approx(stats.ttest_1samp(seeds, 0).pvalue)  # two seeds, not four runs
    assert "as is a/bpr-1" in refused(capfd, 1, "bpr=a/bpr-*", "bpr=a/bpr-1", "--pooled")


def test_a_scorer_may_name_the_runs_own_files(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, error in ((1, 0), (2, 0), (3, 0.1)):
        train = f"data-{seed}/train.jsonl"
        make_run(tmp_path / f"perfect-{seed}", seed, 0.1, train=train, scorer=f"oracle {train} {error}")
    assert {r["runs"] for r in compared(capfd, "perfect-1", "perfect-2")} == {2}
    assert "scorer differs from that of perfect-1" in refused(capfd, 1, "perfect-1", "perfect-3")


def test_what_cannot_be_one_row_is_refused(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    make_run(tmp_path / "other" / "bpr-9", 9, 0.1, denoise="loss")
    told = refused(capfd, 1, *runs, "other/bpr-9")
    assert "other/bpr-9: denoise differs from that of runs/bpr-1, yet both are 'bpr'; tell them apart" in told
    assert "is of seed 1, as is runs/bpr-1" in refused(capfd, 1, *runs, "runs/bpr-1")
    assert "recall@5 is in no run; there are recall@10, ndcg@10" in refused(capfd, 2, *runs, "--metrics", "recall@5")
    assert "--metrics 'ndcg@x' is not a metric" in refused(capfd, 2, *runs, "--metrics", "ndcg@x")
    assert "--baseline 'none' is none of bpr, llmhd" in refused(capfd, 2, *runs, "--baseline", "none")
    assert "as NAME=PATTERN it matches none" in refused(capfd, 2, "Mine=runs/sgl-*")


def test_an_unfinished_run_is_told(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    metrics = tmp_path / "runs" / "bpr-2" / "metrics.jsonl"
    metrics.write_text("".join(line for line in metrics.open() if '"test"' not in line))
    assert "runs/bpr-2: has no test metrics; is the run finished" in refused(capfd, 1, *runs)
    assert main(["compare", *runs, "--split", "valid"]) == 0
    assert "compare: runs/bpr-2 is not finished" in capfd.readouterr().err


def test_runs_on_other_data_are_told(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    assert main(["compare", *runs]) == 0
    assert capfd.readouterr().err == "", "noise that differs by seed alone is as it should be"
    make_run(tmp_path / "clean-1", 1, 0.2, train="train.jsonl", test="other.jsonl")
    assert main(["compare", *runs, "clean-1"]) == 0
    err = capfd.readouterr().err
    assert "compare: runs of seed 1 name different train files, such as noisy-1.jsonl and train.jsonl" in err
    assert "compare: runs of seed 1 name different test files, such as other.jsonl and test.jsonl" in err


def test_copies_and_links_of_one_file_are_not_other_data(
    capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path
) -> None:
    """As the studies have them: the same test rows beside each training file."""
    for name in ("clean", "noisy"):
        (tmp_path / name).mkdir()
    (tmp_path / "clean" / "test.jsonl").write_text('{"user": 1, "item": 2}\n')
    (tmp_path / "noisy" / "test.jsonl").symlink_to("../clean/test.jsonl")
    (tmp_path / "copy.jsonl").write_bytes((tmp_path / "clean" / "test.jsonl").read_bytes())
    for number, test in enumerate(("clean/test.jsonl", "noisy/test.jsonl", "copy.jsonl")):
        make_run(tmp_path / f"row{number}-7", 7, 0.2, train="train.jsonl", test=test)
    rows = [str(tmp_path / f"row{number}-7") for number in range(3)]
    assert main(["compare", *rows]) == 0
    assert capfd.readouterr().err == ""
    (tmp_path / "copy.jsonl").write_text('{"user": 1, "item": 3}\n')
    assert main(["compare", *rows]) == 0
    told = "compare: runs of seed 7 name different test files, such as clean/test.jsonl and copy.jsonl"
    assert told in capfd.readouterr().err


def test_values_that_a_run_lacks_are_blank(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    with (tmp_path / "runs" / "llmhd-3" / "metrics.jsonl").open("a") as out:
        out.write('{"epoch": 2, "split": "test", "metric": "map", "k": 10, "value": 0.25}\n')
    assert main(["compare", *runs, "--metrics", "recall@10,map@10", "--format", "markdown"]) == 0
    rows = capfd.readouterr().out.splitlines()[2:4]
    assert rows[0].endswith("</u> |  |") and rows[1].endswith(" | 0.2500 |")


@pytest.mark.parametrize("name", ["settings.json", "progress.json", "metrics.jsonl"])
@pytest.mark.parametrize("damage", ["", "[1]", "{", '{"seed": "x"}', None])
def test_a_damaged_folder_is_told(
    capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path, name: str, damage: str | None
) -> None:
    path = tmp_path / "runs" / "bpr-1" / name
    path.unlink() if damage is None else path.write_text(damage)
    err = refused(capfd, 1, *runs)
    assert "runs/bpr-1" in err and "internal error" not in err and len(err.splitlines()) == 1
    if name == "settings.json" and damage is None:
        assert "is not the folder of a run; name what `run -o` did" in err


def test_files_of_metrics_stand_beside_runs_by_the_seed_of_their_name(
    capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path
) -> None:
    ease = {1: 0.15, 2: 0.17, 3: 0.14}
    for seed, value in ease.items():
        row = {"split": "test", "metric": "recall", "k": 10, "value": value}
        (tmp_path / f"ease-{seed}.jsonl").write_text(json.dumps(row) + "\n")
    words = ["bpr=runs/bpr-*", *(f"ease-{seed}.jsonl" for seed in ease), "--metrics", "recall@10"]
    bpr, found = compared(capfd, *words, "--baseline", "bpr")
    assert (found["row"], found["runs"]) == ("ease", 3) and "epoch" not in found and bpr["epoch"] == 2
    assert found["p"] == pytest.approx(stats.ttest_rel(list(ease.values()), VALUES["bpr"]).pvalue)
    (tmp_path / "ease.jsonl").write_text((tmp_path / "ease-1.jsonl").read_text())
    assert "no seed at its name's end" in refused(capfd, 1, "runs/bpr-1", "ease.jsonl")
    assert "without --pooled" in refused(capfd, 1, *words, "--pooled")
    assert main(["plot", "ease-1.jsonl", "ease-2.jsonl", "-o", "a.svg"]) == 1
    assert "is no run's folder" in capfd.readouterr().err


def test_holm_corrects_for_the_rows_tested(capfd: pytest.CaptureFixture[str], runs: list[str], tmp_path: Path) -> None:
    for seed, value in enumerate((0.11, 0.12, 0.12), start=1):
        make_run(tmp_path / "runs" / f"third-{seed}", seed, value, denoise="third")
    words = ["runs/" + path.name for path in sorted((tmp_path / "runs").iterdir())]
    plain = {r["row"]: r for r in compared(capfd, *words, "--baseline", "bpr", "--metrics", "recall@10")}
    holm = {r["row"]: r for r in compared(capfd, *words, "--baseline", "bpr", "--metrics", "recall@10", "--holm")}
    first, second = sorted(("llmhd", "third"), key=lambda row: plain[row]["p"])
    assert holm[first]["p"] == pytest.approx(min(1, 2 * plain[first]["p"]))
    assert holm[second]["p"] == pytest.approx(max(holm[first]["p"], plain[second]["p"]))
    assert holm[first]["tests"] == 2 and "tests" not in plain[first]
    assert main(["compare", *words, "--baseline", "bpr", "--holm"]) == 0
    assert "Holm-corrected for 2 rows" in capfd.readouterr().out
