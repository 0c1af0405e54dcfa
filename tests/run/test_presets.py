"""The presets of ``run``: what they hold, and that a file and the command line win over them."""

from __future__ import annotations

import inspect
import json
import sys

import pytest

from llmhd_tools.cli.commands import prune, run, train_epoch, update_profiles
from llmhd_tools.cli.options import expand
from llmhd_tools.settings import Service, choices_of
from llmhd_tools.settings.configs import PRESETS, path_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# llmhd.md: what is marked "as printed", and the numbers of Eq. 13-16
PRINTED = {
    "schedule": "count",
    "selection": "variance",
    "rule": "gap-above,disagree",
    "scope": "all",
    "live": True,
    "update": True,
    "pair-threshold": "7:3",
    "positive-threshold": "8:6",
    "negative-threshold": "2:4",
    "batch": 1024,
    "lr": 0.005,
    "epochs": 200,
}
GRIDS = {  # of the paper
    "alpha": (3000, 5000, 10_000, 30_000, 50_000),
    "max-noise": (0.01, 0.03, 0.05, 0.1, 0.2),
    "candidates": (0.1, 0.3, 0.5, 0.7, 0.9),
    "confidence": (3, 5, 7, 9),
}


def parameters(command):
    return {name.replace("_", "-") for name in inspect.signature(expand(command)).parameters}


def read(name):
    return tomllib.loads(path_of(name).read_text(encoding="utf-8"))


def settings(folder):
    return json.loads((folder / "run" / "settings.json").read_text())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_every_switch_of_the_method(name):
    """A switch of a stage that ``run`` has too; the band is not the paper's, and one α serves all unless told."""
    stages = parameters(prune.command) | parameters(update_profiles.command)
    judging = {"rule", "live", *(p for p in parameters(train_epoch.command) if p.endswith("-threshold"))}
    no_switches = {"seed", "train", "items", "profiles", "quiet", "verbose", "output"}
    no_switches |= {name.replace("_", "-") for name in choices_of(Service)}
    switches = (stages | judging) & parameters(run.command) - no_switches
    assert {"alpha", "max-noise", "schedule", "candidates", "selection", "link", "scope", "pair-threshold"} <= switches
    assert switches | {"denoise", "warm-up", "window", "update"} <= read(name).keys()
    assert read(name).keys() <= parameters(run.command)


def test_the_paper_s_preset_is_as_printed():
    preset = read("paper")
    assert PRINTED.items() <= preset.items()
    assert all(preset[name] in grid for name, grid in GRIDS.items())
    assert "band" not in preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_line_of_a_preset_says_why(name):
    lines = [line for line in path_of(name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    assert lines and all(" # " in line and len(line) <= 120 for line in lines)


SMALL = ("--dim", 8, "--layers", 1, "--batch", 64, "--epochs", 1, "--device", "cpu", "--threads", 1)
FILES = ("--valid", "valid.jsonl", "--items", "items.jsonl", "-o", "run")


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_whole_method(llmhd, name, loss):
    few = ("--epochs", 2, "--clean-at", 1)
    llmhd("run", "train.jsonl", *FILES, *SMALL, *few, "--config", name, "--loss", loss)
    kept, wanted = settings(llmhd.folder), read(name)
    for option, value in wanted.items():
        if option not in ("batch", "epochs", "clean-at"):  # given by word above
            assert kept[option.replace("-", "_")] == value


def test_words_win_over_files_and_a_later_file_over_an_earlier(llmhd):
    (llmhd.folder / "mine.toml").write_text('confidence = 5\nscope = "noisy"\nband = [1, 2, 9]\n')
    for words, scope in (
        (["--config", "paper", "--config", "mine.toml"], "noisy"),
        (["--config", "mine.toml", "--config", "paper"], "all"),
    ):
        llmhd("run", "train.jsonl", *FILES, *SMALL, *words, "--staged", "--confidence", 7)
        kept = settings(llmhd.folder)
        assert (kept["confidence"], kept["scope"], kept["schedule"], kept["live"]) == (7, scope, "count", False)
        assert kept["band"] == "1,2,9"
        for path in sorted((llmhd.folder / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_a_copied_preset_is_the_preset_and_a_file_may_name_one(llmhd):
    (llmhd.folder / "copy.toml").write_bytes(path_of("paper").read_bytes())
    (llmhd.folder / "named.toml").write_text('title = "LLMHD"\nbase = ["paper", "more/seven.toml"]\nwindow = 4\n')
    (llmhd.folder / "more").mkdir()
    (llmhd.folder / "more" / "seven.toml").write_text("window = 7\nconfidence = 5\n")
    kept = {}
    for name, words in {
        "config": ["--config", "paper"],
        "copy": ["--config", "copy.toml"],
        "named": ["--config", "named.toml"],
    }.items():
        llmhd("run", "train.jsonl", "--valid", "valid.jsonl", "--items", "items.jsonl", *SMALL, *words, "-o", name)
        kept[name] = json.loads((llmhd.folder / name / "settings.json").read_text())
    assert kept["copy"] == kept["config"]
    assert kept["named"] == kept["config"] | {"window": 4, "confidence": 5, "title": "LLMHD"}


def test_a_file_may_list_the_options_of_methods(llmhd):
    text = 'set = ["drop=0.2", "contrast=0.1"]\nbackbone = "sgl"\n'
    (llmhd.folder / "x.toml").write_text(text)
    llmhd("run", "train.jsonl", *FILES, *SMALL, "--config", "x.toml")
    assert settings(llmhd.folder)["set"] == ["drop=0.2", "contrast=0.1"]


def test_an_unknown_preset_is_refused(llmhd):
    told = llmhd.refused(2, "run", "train.jsonl", *FILES, "--config", "bset")
    assert "bset: no such file, and none of paper, best" in told


@pytest.mark.parametrize("name", PRESETS)
def test_help_shows_the_file_and_where_it_lies(llmhd, name):
    page = llmhd("run", "--config", name, "--help").decode()
    assert page.endswith(path_of(name).read_text(encoding="utf-8"))
    assert f"\n{path_of(name)}:\n" in page
