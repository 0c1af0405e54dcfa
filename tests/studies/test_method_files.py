"""The methods of the studies: one file of ``run --config`` each, and what Make makes of it."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import read_jsonl

from llmhd_tools.cli.app import main
from llmhd_tools.cli.commands import run
from llmhd_tools.cli.options import expand
from llmhd_tools.runs.plan import check_inputs, plan_of
from llmhd_tools.settings.configs import read_config

EXAMPLES = Path(__file__).parents[2] / "examples"
METHODS = sorted(path.stem for path in (EXAMPLES / "methods").glob("*.toml"))
INPUTS = ("items", "profiles", "vectors", "aligned")


def read(method: str) -> dict[str, object]:
    return read_config(str(EXAMPLES / "methods" / f"{method}.toml"))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_options_of_run_that_fit_together(method: str) -> None:
    found = {name.replace("-", "_"): value for name, value in read(method).items()}
    assert found.keys() <= inspect.signature(expand(run.command)).parameters.keys()
    assert found["title"] and found["loss"] in ("bpr", "bce")
    paths = {name: found.pop(name, None) for name in INPUTS}
    assert all(str(path).startswith("@/") for path in paths.values() if path is not None)
    check_inputs(plan_of(found), {"test": None, "disliked": None} | paths)


def test_make_reads_the_files_as_run_does(tmp_path: Path) -> None:
    """Titles, and which texts and vectors have to be made first, over all files that a method builds on."""
    if shutil.which("make") is None:
        pytest.skip("GNU Make is not installed")
    told = "$(info $(m)|$(call title,$(m))|$(sort $(call of,$(m),reads))|$(call of,$(m),denoise))"
    line = ["make", "-s", "-C", str(EXAMPLES / "amazon-book"), f"WORK={tmp_path}", f"METHODS={' '.join(METHODS)}"]
    line += ["--eval", f"told: ; $(foreach m,$(METHODS),{told})@:", "told"]
    out = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    for method, row in zip(METHODS, out.splitlines(), strict=True):
        name, title, reads, denoise = row.split("|")
        file = read(method)
        assert (name, title) == (method, file["title"])
        assert reads.split() == sorted(str(file[name]) for name in INPUTS if name in file)
        assert set(denoise.split()) == ({file["denoise"]} if "denoise" in file else set())


def test_a_file_beside_the_training_interactions(tiny: Path, tmp_path: Path) -> None:
    """``@/`` in a --config is the folder of TRAIN, on whatever data the method is tried; the command line is taken as it is."""
    method = tmp_path / "method.toml"
    method.write_text('title = "Mine"\nclean = "graph"\nclean-at = "1"\nitems = "@/items.jsonl"\n')
    words = ["run", str(tiny / "train.jsonl"), "--valid", str(tiny / "valid.jsonl"), "--epochs", "2", "--config"]
    assert main([*words, str(method), "--dim", "8", "-o", str(tmp_path / "run"), "-q"]) == 0
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (settings["title"], settings["items"]) == ("Mine", str(tiny / "items.jsonl"))
    assert len(read_jsonl(tmp_path / "run" / "scored-1.jsonl")) > 0
    assert main([*words, str(method), "--items", "@/items.jsonl", "-o", str(tmp_path / "other"), "-q"]) == 1


def test_a_method_keeps_its_run_under_another_title(tiny: Path, tmp_path: Path) -> None:
    line = ["run", str(tiny / "train.jsonl"), "--valid", str(tiny / "valid.jsonl"), "--dim", "8", "-q"]
    line += ["-o", str(tmp_path / "run"), "--title"]
    assert main([*line, "A", "--epochs", "1"]) == 0
    assert main([*line, "B", "--epochs", "2", "--resume"]) == 0
    assert json.loads((tmp_path / "run" / "progress.json").read_text())["epoch"] == 2
