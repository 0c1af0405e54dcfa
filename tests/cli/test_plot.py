"""``plot``: the same bytes each time, text that is text, and the lines that one expects."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from llmhd_tools.cli.app import main

matplotlib = pytest.importorskip("matplotlib")


def make_run(folder: Path, seed: int, value: float, noisy: int = 0, **settings: Any) -> str:
    """A run of three epochs, of which the second is best, trained on 20 clean rows and some noisy ones."""
    folder.mkdir(parents=True)
    train = folder / "train.jsonl"
    rows = [{"user": row % 5, "item": row, "noise": row >= 20} for row in range(20 + noisy)]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"train": str(train), "valid": "valid.jsonl", "test": "test.jsonl"}
    (folder / "settings.json").write_text(json.dumps(files | {"seed": seed, "alpha": 3000.0, "rule": None} | settings))
    (folder / "progress.json").write_text(json.dumps({"epoch": 3, "best_epoch": 2, "best": value}))
    records = [(1, "valid", value / 2), (2, "valid", value), (3, "valid", value * 0.9), (2, "test", value)]
    lines = [
        {"epoch": epoch, "split": split, "metric": metric, "k": 10, "value": v / k}
        for epoch, split, v in records
        for k, metric in ((1, "recall"), (2, "ndcg"))
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two methods of two seeds at two noise ratios, 0 and 25 %."""
    found = []
    for ratio, noisy in (("0", 0), ("0.25", 5)):
        for method, value in (("bpr", 0.1), ("llmhd", 0.12)):
            for seed in (1, 2):
                folder = tmp_path / ratio / f"{method}-{seed}"
                found.append(make_run(folder, seed, value + seed / 100 - noisy / 200, noisy))
    return found


def texts(path: Path) -> list[str]:
    """All text in an SVG, in its order."""
    return [text for element in ET.parse(path).getroot().iter() if (text := (element.text or "").strip())]


def figure(runs: list[str], over: str, split: str, *metrics: tuple[str, int]) -> Any:
    from llmhd_tools.report.drawing import styled
    from llmhd_tools.report.figures import across, over_epochs
    from llmhd_tools.report.runs import read_runs

    with styled():
        found = read_runs(runs)
        return over_epochs(found, metrics, split) if over == "epoch" else across(found, metrics, split, over)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_bytes_each_time(runs: list[str], tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        assert main(["plot", *runs[:4], "-o", str(tmp_path / f"{name}.{form}")]) == 0
    data = (tmp_path / f"one.{form}").read_bytes()
    assert data == (tmp_path / f"two.{form}").read_bytes()
    assert b"Matplotlib" not in data, "no version, so that another one may draw the same"


def test_axes_and_rows_are_named(runs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "epochs.svg"
    assert main(["plot", *runs[:4], "--metrics", "ndcg@10,recall@10", "-o", str(out)]) == 0
    found = texts(out)
    assert {"epoch", "ndcg@10 (valid)", "recall@10 (valid)", "bpr", "llmhd"} <= set(found)
    assert found.count("bpr") == 1, "one legend for all panels"
    assert main(["plot", *runs, "--over", "noise", "--metrics", "recall@10", "-o", str(out)]) == 0
    assert {"noisy rows added, share of the clean", "recall@10 (test)", "0%", "25%"} <= set(texts(out))


def test_over_epochs_there_is_a_line_for_each_run(runs: list[str]) -> None:
    axes = figure(runs[:4], "epoch", "valid", ("recall", 10), ("ndcg", 10)).axes
    assert [len(panel.lines) for panel in axes] == [4, 4]
    first = axes[0].lines[0]
    assert first.get_xdata().tolist() == [1, 2, 3] and first.get_ydata() == pytest.approx([0.055, 0.11, 0.099])
    assert first.get_markevery() == [1], "the best epoch"
    looks = [(line.get_color(), line.get_linestyle()) for line in axes[0].lines]
    assert looks[0] == looks[1] and looks[2] == looks[3] and looks[0][0] != looks[2][0] and looks[0][1] != looks[2][1]


def test_over_a_setting_there_is_a_line_for_each_row(runs: list[str], tmp_path: Path) -> None:
    (panel,) = figure(runs, "noise", "test", ("recall", 10)).axes
    assert len(panel.containers) == 2
    line, _, (bars,) = panel.containers[0]
    assert line.get_xdata().tolist() == [0.0, 0.25] and line.get_ydata() == pytest.approx([0.115, 0.09])
    (low, high), _ = (segment[:, 1] for segment in bars.get_segments())
    assert (high - low) / 2 == pytest.approx(0.01 / 2**0.5), "the sample's sd of two values 0.01 apart"
    sweep = [make_run(tmp_path / f"alpha-{alpha}-1", 1, 0.1, alpha=float(alpha)) for alpha in (300, 3000, 30000)]
    (panel,) = figure([f"LLMHD={path}" for path in sweep], "alpha", "test", ("ndcg", 10)).axes
    assert panel.get_xscale() == "log" and [t.get_text() for t in panel.get_xticklabels()] == ["300", "3000", "30000"]


def test_a_hostile_name_is_drawn_as_it_is(runs: list[str], tmp_path: Path) -> None:
    out, name = tmp_path / "x.svg", "_$\\frac{<b>&\x1b[31m"
    assert main(["plot", f"{name}={runs[0]}", "--metrics", "ndcg@10", "-o", str(out)]) == 0
    assert "_$\\frac{<b>&\\x1b[31m" in texts(out)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-o", "x.pdf"], 2, "-o x.pdf ends neither in .svg nor in .png"),
        (["-o", "x.svg", "--over", "rule"], 2, "has no such number; choose from epoch, noise, alpha, seed"),
        (["-o", "x.svg", "--metrics", "map@10"], 2, "--metrics map@10 is in no run; there are recall@10, ndcg@10"),
        (["-o", "x.svg", "--split", "train"], 2, "--split train: no run has metrics of it"),
        (["-o", "none/x.svg"], 1, "the folder none does not exist"),
        (["-o", "x.svg", "--over", "alpha"], 1, "and both are 'bpr'"),
    ],
)
def test_what_cannot_be_drawn(
    capfd: pytest.CaptureFixture[str],
    runs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plot", *runs, *words]) == code
    out, err = capfd.readouterr()
    assert out == "" and told in err and len(err.splitlines()) == 1
    assert not list(tmp_path.glob("x.*"))


def test_over_noise_the_training_file_must_have_marks(capfd: pytest.CaptureFixture[str], runs: list[str]) -> None:
    train = Path(runs[0]) / "train.jsonl"
    train.write_text('{"user": 1, "item": 2}\n')
    assert main(["plot", runs[0], "--over", "noise", "-o", f"{runs[0]}/x.svg"]) == 1
    assert f"{train}: has no 'noise' marks" in capfd.readouterr().err


def test_runs_that_differ_in_more_than_the_setting_are_refused(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = make_run(tmp_path / "a", 1, 0.1, alpha=3000.0)
    other = make_run(tmp_path / "b", 1, 0.1, alpha=300.0, lr=0.1)
    assert main(["plot", f"x={one}", f"x={other}", "--over", "alpha", "-o", str(tmp_path / "x.svg")]) == 0
    settings = json.loads((tmp_path / "a" / "settings.json").read_text()) | {"lr": 0.2}
    (tmp_path / "a" / "settings.json").write_text(json.dumps(settings))
    assert main(["plot", f"x={one}", f"x={other}", "--over", "alpha", "-o", str(tmp_path / "x.svg")]) == 1
    assert "lr differs from that of" in capfd.readouterr().err


def test_diagnostics(trained: Path) -> None:
    """Figure 1 in a panel for each measure, and last the chance that noise has more of it, with a line at 0.5."""
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.report.drawing import styled
    from llmhd_tools.report.figures import diagnosed

    rows = [json.loads(line) for line in (trained / "train.jsonl").open()]
    marked = [row | {"noise": n % 4 == 1} for n, row in enumerate(rows)]
    (trained / "marked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked))
    history = [str(trained / f"emb-{epoch}.npz") for epoch in (1, 2, 3)]
    found = str(trained / "diagnostics.jsonl")
    assert (
        main(["diagnose", str(trained / "marked.jsonl"), "--history", *history, "--max-noise", "0.3", "-o", found]) == 0
    )
    records = [json.loads(line) for line in Path(found).read_text().splitlines()]
    with styled():
        *measures, chance = diagnosed(read_table(found, "diagnostics")).axes
    wanted = [r["value"] for r in records if (r.get("measure"), r["statistic"], r["group"]) == ("loss", "q50", "noisy")
              and r["within"] == "all"]  # fmt: skip
    groups = list(dict.fromkeys(r["group"] for r in records if r["within"] == "all"))
    lines = {panel.get_ylabel().split(":")[0]: panel.lines for panel in measures}
    assert lines["loss"][groups.index("noisy")].get_ydata() == pytest.approx(wanted)
    assert len(lines["loss"]) == len(groups) == 3 and "variance" in lines
    assert list(chance.lines[-1].get_ydata()) == [0.5, 0.5] and "AUC" in chance.get_ylabel()
    for name in ("one", "two"):
        assert main(["plot", found, "-o", str(trained / f"{name}.svg")]) == 0
    assert (trained / "one.svg").read_bytes() == (trained / "two.svg").read_bytes()
    assert {"easy", "hard", "noisy", "epoch"} <= set(texts(trained / "one.svg"))
