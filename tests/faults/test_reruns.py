"""A command that was killed is run again as it stands; what would be silence says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import write_jsonl
from test_killed_writes import killed

from llmhd_tools.cli.app import main


def test_an_update_that_is_whole_is_not_done_twice(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """update-profiles, killed when both its files were there: its rerun finds them so, and still refuses other work."""
    (trained / "flags.npz").unlink()
    (trained / "profiles-2.jsonl").unlink()
    history = [word for n in (1, 2) for word in ("--history", str(trained / f"emb-{n}.npz"))]
    files = {"--train": "train.jsonl", "--items": "items.jsonl", "--model": "model-2.npz", "--flags": "flags.npz"}
    options = [word for option, name in files.items() for word in (option, str(trained / name))]
    rate = ["--alpha", "2", "--max-noise", "0.3", "--confidence", "1"]
    line = ["update-profiles", str(trained / "profiles.jsonl"), *options, *history, *rate, "-o"]
    killed("os replace 2 after", [*line, str(trained / "profiles-2.jsonl")])
    made = {name: (trained / name).read_bytes() for name in ("flags.npz", "profiles-2.jsonl")}
    assert main([*line, str(trained / "profiles-2.jsonl")]) == 0
    assert "hold this update already" in capsys.readouterr().err
    assert made == {name: (trained / name).read_bytes() for name in made}
    assert main([*line, str(trained / "profiles-3.jsonl")]) == 1
    assert "counts epoch 2 already" in capsys.readouterr().err
    shutil.copy(trained / "profiles.jsonl", trained / "profiles-2.jsonl")
    assert main([*line, str(trained / "profiles-2.jsonl")]) == 1


def test_a_score_of_nothing_says_why_even_if_quiet(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, key in (("items", "item"), ("profiles", "user")):
        one = write_jsonl(trained / f"one-{name}.jsonl", [{key: "nobody", "profile": "a text"}])
        texts = {"--items": trained / "items.jsonl", "--profiles": trained / "profiles.jsonl", f"--{name}": one}
        line = ["score", str(trained / "noisy-3.jsonl"), "-q", "-o", str(trained / "out.jsonl")]
        code = main([*line, *(str(word) for pair in texts.items() for word in pair)])
        told = capsys.readouterr().err
        assert code == 1 and told.count("\n") == 1, told
        assert "has no text" in told or "has no profile" in told or "no text" in told, told


def test_data_without_users_or_with_one_item_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody, one user who owns every item, one item: a defined result or one line, never a division by nothing."""
    rows = {
        "nobody": [],
        "one": [{"user": "u", "item": "i"}],
        "all": [{"user": "u", "item": f"i{n}"} for n in range(5)],
        "few": [{"user": f"u{n}", "item": f"i{n % 3}"} for n in range(6)],
    }
    paths = {name: str(write_jsonl(tmp_path / f"{name}.jsonl", found)) for name, found in rows.items()}
    for name, path in paths.items():
        for line in (
            ["stat", path],
            ["inject-noise", path, "--ratio", "0.2"],
            ["train-epoch", path, "--dim", "4", "-o", str(tmp_path / f"{name}.npz")],
            [
                "run",
                path,
                "--valid",
                paths["few"],
                "--epochs",
                "1",
                "--dim",
                "4",
                "--unknown",
                "miss",
                "-o",
                f"{path}-run",
            ],
            [
                "run",
                paths["few"],
                "--valid",
                path,
                "--epochs",
                "1",
                "--dim",
                "4",
                "--unknown",
                "skip",
                "-o",
                f"{path}-v",
            ],
        ):
            code, told = main([*line, "-q"]), capsys.readouterr()
            assert code in (0, 1) and (code == 0 or told.err.count("\n") == 1), (line, code, told.err)
            assert "nan" not in told.out.lower() and "warning" not in told.err.lower(), (line, told)


def test_a_loss_that_is_not_finite_stops_with_its_step(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [
        "run",
        str(tiny / "train.jsonl"),
        "--valid",
        str(tiny / "valid.jsonl"),
        "--lr",
        "1e30",
        "--epochs",
        "5",
        "-q",
    ]
    assert main([*line, "-o", str(tiny / "run")]) == 1
    told = capsys.readouterr().err
    assert ("not finite" in told or "too large" in told) and "step 1" in told and told.count("\n") == 1, told
