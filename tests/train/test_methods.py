"""Options of methods: what is resolved, what is refused, and what the commands and the docs say about them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.errors import UsageError
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.registry import BACKBONES, DENOISERS, OBJECTIVES, SAMPLERS
from llmhd_tools.train.methods import describe, load, resolve

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8").split())
KINDS = {"backbone": BACKBONES, "loss": OBJECTIVES, "denoise": DENOISERS, "negatives": SAMPLERS}
METHODS = [(kind, name) for kind, names in KINDS.items() for name in names]


def options_of(kind, name):
    return {field.name: field for field in dataclasses.fields(load(kind, name).Options)}


def test_options_of_methods_that_go_together_never_share_a_name():
    for one, other in itertools.permutations(METHODS, 2):
        if one[0] != other[0]:
            assert not options_of(*one).keys() & options_of(*other).keys()


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_every_option_has_help_and_a_default_that_it_accepts(kind, name):
    for option, field in options_of(kind, name).items():
        assert field.metadata["help"] and str(field.type) in ("int", "float", "str", "int | str")
        chosen = {"loss": "bce", kind: name}
        word = f"{option.replace('_', '-')}={field.default}"
        assert resolve(chosen, [word]).options[option] == field.default


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_the_page_about_methods_names_everything(kind, name):
    assert f"`{name}`" in PAGE
    for option in options_of(kind, name):
        assert f"`{option.replace('_', '-')}`" in PAGE, option
    for loss, reason in getattr(load(kind, name), "undefined", {}).items():
        assert f"`{loss}`" in PAGE and reason.split(",")[0] in PAGE


def test_settings_given_beat_the_backbones_which_beat_the_common():
    config = resolve({"backbone": "ncl", "dim": 8, "lr": None}, ["clusters=7", "item-weight=0.5"])
    assert (config.dim, config.lr, config.reg) == (8, 0.005, 1e-4)
    assert config.options == {
        "temperature": 0.1, "structure": 1e-7, "prototype": 8e-8, "item_weight": 0.5, "hops": 1, "clusters": 7,
        "warm_up": 20,
    }  # fmt: skip


@pytest.mark.parametrize(("words", "told"), [
    (["ratio=1"], "ratio=1: is no option of `backbone` sgl or .* known: view, drop, temperature, contrast, beta"),
    (["drop"], "as NAME=VALUE"),
    (["drop=many"], "drop=many: must be of type float"),
    (["drop=1.5"], "drop=1.5: must be from 0 to 1"),
    (["drop=nan"], "must be from 0 to 1"),
    (["beta=-1"], "must be from 0 to inf"),
    (["view=upside-down"], "choose from edge-drop, node-drop, random-walk"),
])  # fmt: skip
def test_words_that_do_not_fit_are_refused(words, told):
    with pytest.raises(UsageError, match=told):
        resolve({"backbone": "sgl", "denoise": "r-ce"}, words)


def test_unknown_methods_are_refused():
    for kind in KINDS:
        with pytest.raises(UsageError, match=f"`{kind}` os is unknown; known: "):
            resolve({kind: "os"})


def test_a_method_without_options_says_so():
    with pytest.raises(UsageError, match="known: none"):
        resolve({}, ["drop=1"])
    assert "none" in describe({"backbone": "lightgcn", "denoise": "none"})


@pytest.mark.parametrize("command", ["train-epoch", "run"])
def test_help_tells_the_options_of_the_methods_beside_it(capsys, command):
    assert main([command, "--backbone", "ncl", "--denoise=dcf", "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: llmhd" in told and "Options of --backbone ncl" in told and "Options of --denoise dcf" in told
    assert "clusters=INT" in told and "[1000]" in told and "--reg is 0.0001 unless given" in told
    assert "not for --loss bpr" in told
    assert main([command, "--help"]) == 0
    assert "Options of --" not in capsys.readouterr().out
    assert main([command, "--backbone", "os", "--help"]) == 2
    assert "--backbone os is unknown" in capsys.readouterr().err


def test_plain_help_imports_no_torch():
    code = "import sys; from llmhd_tools.cli.app import main; main(['train-epoch', '--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"user": f"u{u}", "item": f"i{(u * 3 + k) % 11}"} for u in range(10) for k in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_model_keeps_the_methods_and_goes_on_with_them(train, tmp_path, capsys):
    one, two = str(tmp_path / "1.npz"), str(tmp_path / "2.npz")
    begin = ["train-epoch", str(train), "--dim", "4", "--batch", "16", "-o", one]
    methods = ["--backbone", "sgl", "--loss", "bce", "--denoise", "dcf"]
    assert main([*begin, *methods, "--set", "drop=0.2", "--set", "relabel=0.1"]) == 0
    kept = read_tensors(one, "model").meta["config"]
    assert (kept["backbone"], kept["denoise"], kept["loss"]) == ("sgl", "dcf", "bce")
    assert (kept["options"]["drop"], kept["options"]["relabel"], kept["options"]["window"]) == (0.2, 0.1, 3)
    on = ["train-epoch", str(train), "--from", one, "-o", two]
    assert main([*on, "--set", "drop=0.2", "--denoise", "dcf"]) == 0
    assert read_tensors(two, "model").meta["config"] == kept
    for words, told in (
        (["--set", "drop=0.3"], "--set drop=0.3 contradicts"),
        (["--denoise", "t-ce"], "--denoise t-ce contradicts"),
        (["--set", "beta=1"], "no option of"),
    ):
        capsys.readouterr()
        assert main([*on, *words]) == 2
        assert told in capsys.readouterr().err


def test_what_does_not_go_together(train, tmp_path, capsys):
    begin = ["train-epoch", str(train), "--dim", "4", "-o", str(tmp_path / "m.npz")]
    assert main([*begin, "--denoise", "dcf"]) == 2
    assert "--denoise dcf is not defined for --loss bpr: it corrects the labels" in capsys.readouterr().err
    (tmp_path / "judged.jsonl").write_text("", encoding="utf-8")
    assert main([*begin, "--denoise", "t-ce", "--judged", str(tmp_path / "judged.jsonl")]) == 2
    assert "leave one out" in capsys.readouterr().err
    assert not (tmp_path / "m.npz").exists()


def test_run_passes_the_methods_on_and_equals_the_pipe(train, tmp_path, capsys):
    methods = ["--backbone", "ngcf", "--denoise", "r-ce", "--set", "beta=0.5", "--dim", "4", "--batch", "16"]
    folder = tmp_path / "run"
    begin = ["run", str(train), "--valid", str(train), *methods, "--keep", "-o", str(folder), "--epochs"]
    assert main([*begin, "2"]) == 0
    assert main([*begin, "3", "--resume"]) == 0
    assert main(["train-epoch", str(train), *methods, "--epochs", "3", "-o", str(tmp_path / "m.npz")]) == 0
    arrays, whole = (
        read_tensors(p, "model").arrays for p in (str(folder / "epoch-3" / "model.npz"), str(tmp_path / "m.npz"))
    )
    assert all(arrays[name].tobytes() == whole[name].tobytes() for name in whole)
    capsys.readouterr()
    assert main([*begin, "3", "--resume", "--set", "beta=0.4"]) == 2
    assert "differs from the run" in capsys.readouterr().err
