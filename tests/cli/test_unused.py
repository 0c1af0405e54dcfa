"""Options that stand on the command line for nothing: told in one line, or refused where they name a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmhd_tools.cli.app import main

RUN = "run @train.jsonl --valid @valid.jsonl --dim 8 --layers 1 --epochs 2 --device cpu --threads 1 -o @run"
TEXTS = "--items @items.jsonl --profiles @profiles.jsonl"
DENOISE, LLMHD = "(for --denoise loss or llmhd)", "(for --denoise llmhd)"
CLEAN = "(for --clean graph or soft)"
TRAIN = "train-epoch @train.jsonl --from @model-2.npz -o @out.npz"


def words(folder: Path, line: str) -> list[str]:
    return [str(folder / word[1:]) if word.startswith("@") else word for word in line.split()]


@pytest.fixture
def marked(trained: Path) -> Path:
    """The trained data, and in marked.jsonl its training rows with known noise."""
    assert main(words(trained, "inject-noise @train.jsonl --ratio 0.2 -o @marked.jsonl -q")) == 0
    return trained


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{RUN} --alpha 9 --max-noise 0.1 --live", f"--live, --alpha, --max-noise {DENOISE}"),
        (f"{RUN} --denoise loss --alpha 9 --rule agree --loss bce --band 1,2,9", f"--rule, --band {LLMHD}"),
        (f"{RUN} --staged --no-update", f"--staged {DENOISE}; --no-update {LLMHD}"),
        (f"{RUN} --clean-at 1 --clean-share 0.1 --own-edge", f"--clean-at, --clean-share, --own-edge {CLEAN}"),
        (f"{RUN} --window 3", "--window (for --denoise loss or llmhd, or --clean graph or soft)"),
        (
            f"{RUN} --clean graph --clean-at 1 --window 3 --text-weight 1",
            "--text-weight (for --clean graph or soft with --items, or --clean graph or soft with --vectors)",
        ),
        (f"{RUN} --relate-at 1 --lowest 0.2", "--relate-at (for --denoise llmhni); --lowest (for"),
        (f"{RUN} {TEXTS} --llm lexical", "--llm, --items, --profiles (for"),
        (f"{RUN} {TEXTS} --denoise llmhd --no-update --scope all", "--scope (for --denoise llmhd with --update)"),
        (f"{TRAIN} --rule gap-above --candidates 0.1", "--rule (for --judged, or --live); --candidates (for --live)"),
        (f"{TRAIN} --confidence 2 --llm lexical", "--confidence (for --drop); --llm (for --live with --profiles)"),
        (
            "suspect @train.jsonl --history @emb-1.npz --text-weight 1",
            "--text-weight (for --scores, or --vectors, or --appraisals)",
        ),
        ("suspect @train.jsonl --history @emb-1.npz --confidence 1", "--confidence (for --drop)"),
        ("evaluate @emb-1.npz @test.jsonl --confidence 1", "--confidence (for --drop)"),
        ("diagnose @marked.jsonl --history @emb-1.npz --scored 9", "--scored (for --profiles with --items)"),
    ],
)
def test_what_nothing_reads_is_told(capfd: pytest.CaptureFixture[str], marked: Path, line: str, told: str) -> None:
    given = words(marked, line)
    assert main(given) == 0
    found = [line for line in capfd.readouterr().err.splitlines() if "not used here" in line]
    assert len(found) == 1 and found[0].startswith(f"{given[0]}: not used here: {told}"), found


@pytest.mark.parametrize(
    "line",
    [
        RUN,
        f"{RUN} --denoise loss --alpha 9 --max-noise 0.1 --schedule cap --warm-up 1 --window 3",
        f"{RUN} {TEXTS} --denoise llmhd --alpha 9 --candidates 0.2 --rule gap-below --scope all --confidence 1 --usage @u",
        f"{RUN} {TEXTS} --clean graph --clean-at 1 --text-weight 1 --llm lexical --own-edge",
        f"{RUN} --clean graph --clean-at 1 --vectors @vectors.npz --text-weight 1",
        f"{RUN} {TEXTS} --denoise llmhni --relate-at 1 --lowest 0.2 --highest 2 --shown 2",
        f"{RUN} --select trimmed:ndcg@5:0.1",
        f"{RUN} --config best --negatives uniform --clean none --epochs 1",  # all else of the preset is idle
        f"{TRAIN} --samples @samples-3.npz --judged @judged-3.jsonl --rule gap-above --alpha 9",
        f"{TRAIN} --live --history @emb-1.npz --history @emb-2.npz {TEXTS} --candidates 0.9 --llm lexical --usage @u",
        "suspect @train.jsonl --history @emb-1.npz --vectors @vectors.npz --text-weight 1",
    ],
)
def test_what_is_read_is_not_told(capfd: pytest.CaptureFixture[str], trained: Path, line: str) -> None:
    assert main(words(trained, line)) == 0
    assert "not used" not in capfd.readouterr().err


def test_a_config_file_may_hold_more_than_a_run_needs(capfd: pytest.CaptureFixture[str], trained: Path) -> None:
    vectors = os.fspath(trained / "vectors.npz")
    (trained / "mine.toml").write_text(f'alpha = 9\nclean-share = 0.1\nvectors = "{vectors}"\n')
    assert main(words(trained, f"{RUN} --config @mine.toml")) == 0
    assert "not used" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f"{RUN} --vectors @vectors.npz",
            "--vectors is for --clean graph or soft, or --backbone alpharec; ask for that or leave it out",
        ),
        (
            f"{RUN} {TEXTS} --usage @usage.jsonl",
            "--usage is for --denoise llmhd, or --denoise llmhni, or --negatives semantic, or",
        ),
        (f"{RUN} --aligned @vectors.npz", "--aligned is for --negatives semantic, or --denoise llmhni"),
        (f"{RUN} --config best --clean none --aligned @vectors.npz", "--aligned is for --negatives semantic"),
        (f"{TRAIN} --usage @usage.jsonl", "--usage is for --live with --profiles; ask for that or leave it out"),
        (
            "diagnose @train.jsonl --history @emb-1.npz --usage @u",
            "--usage is for --profiles with --items; ask for that",
        ),
        ("prune @samples-3.npz --step 999", "samples-3.npz, whose first step is"),
    ],
)
def test_a_file_that_nothing_reads_or_writes_is_refused(
    capfd: pytest.CaptureFixture[str], trained: Path, line: str, told: str
) -> None:
    assert main(words(trained, line)) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and told in err
    assert not (trained / "out.npz").exists() and not (trained / "run" / "settings.json").exists()


def test_a_source_with_its_own_split_takes_none(
    capfd: pytest.CaptureFixture[str], rlmrec: Path, tmp_path: Path
) -> None:
    assert main(["import", "rlmrec", str(rlmrec), "-o", str(tmp_path / "out"), "--split", "8:1:1", "--seed", "3"]) == 0
    told = "import: not used here: --split, --seed (for a source without a split of its own)\n"
    assert told in capfd.readouterr().err


def test_a_figure_of_diagnostics_takes_no_options_of_runs(capfd: pytest.CaptureFixture[str], marked: Path) -> None:
    pytest.importorskip("matplotlib")
    assert main(words(marked, "diagnose @marked.jsonl --history @emb-1.npz -o @d.jsonl -q")) == 0
    assert main(words(marked, "plot @d.jsonl --over epoch --split test -o @d.svg")) == 0
    assert "plot: not used here: --over, --split (for figures of runs)\n" in capfd.readouterr().err
