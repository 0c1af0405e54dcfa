"""Help is complete and light; which modules each command loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmhd_tools.cli.app import GROUPS, main

ROOT = Path(__file__).parents[2]
NAMES = [name for group in GROUPS.values() for name in group]
HEAVY = ["torch", "scipy", "numpy", "openai", "rich", "jsonlines", "zstandard", "pyarrow", "matplotlib"]


@pytest.mark.parametrize("name", NAMES)
def test_help_of_every_command(capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert main([name, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == "" and out.startswith(f"Usage: llmhd {name} ")
    examples = out.split("Examples:\n")[1].split("\n\n")[0]
    assert f"llmhd {name} " in examples
    assert len(next(line for line in out.splitlines()[2:] if line.strip()).strip()) < 72


def test_help_of_the_whole(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, err = capfd.readouterr()
    assert err == "" and all(f"\n  {name} " in out for name in NAMES)
    assert main(["--version"]) == 0
    assert capfd.readouterr().out.startswith("llmhd ")


def loaded(folder: Path, *lines: str) -> list[str]:
    """Run commands one after the other in a fresh process; the heavy modules that it has loaded after each."""
    code = (
        "import sys\n"
        "from llmhd_tools.cli.app import main\n"
        "for line in sys.argv[1:]:\n"
        "    assert main(line.split()) == 0, line\n"
        f"    print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--help", *[f"{name} --help" for name in NAMES]) == [""] * (len(NAMES) + 1)


def test_only_training_loads_torch_and_nothing_loads_openai(trained: Path) -> None:
    texts = "--items items.jsonl --llm lexical -q"
    history = "--history emb-1.npz --history emb-2.npz -q"
    light = [
        "validate train.jsonl model-3.npz -q",
        "convert train.jsonl out.npz",
        "inject-noise train.jsonl --ratio 0.1 -o noisy.jsonl -q",
        f"prune samples-3.npz {history} --alpha 2 --max-noise 0.3 -o n.jsonl",
        "evaluate emb-3.npz test.jsonl --exclude train.jsonl --noise noisy.jsonl -o m.jsonl -q",
        "evaluate emb-3.npz test.jsonl --exclude train.jsonl --disliked valid.jsonl -o m.jsonl -q",
        f"diagnose noisy.jsonl {history} -o d.jsonl",
        f"summarize train.jsonl {texts} -o p.jsonl",
        "embed items.jsonl profiles.jsonl -o v.npz -q",
        f"relate emb-3.npz --train train.jsonl --profiles profiles.jsonl {texts} -o r.jsonl",
        f"score n.jsonl --profiles profiles.jsonl {texts} -o j.jsonl",
        f"update-profiles profiles.jsonl --train train.jsonl {texts} {history} --model model-3.npz --flags f.npz -o p.jsonl",
    ]
    training = [
        "align vectors.npz train.jsonl --epochs 1 -o a.npz -q",
        "train-epoch train.jsonl --dim 8 -o x.npz -q",
        "run train.jsonl --valid valid.jsonl --items items.jsonl --denoise llmhd --epochs 1 --dim 8 -o run -q",
    ]
    after = [set(line.split()) for line in loaded(trained, *light, *training)]
    assert not any({"torch", "openai", "rich", "pyarrow"} & modules for modules in after[: len(light)])
    assert not any({"openai", "rich"} & modules for modules in after) and "torch" in after[-1]
