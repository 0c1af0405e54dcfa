"""Importing any module does nothing that can be seen: no argv, no device, no folder, no seed, no talk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    paths = sorted((ROOT / "llmhd_tools").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if not name.endswith("__main__")]


def test_every_module_imports_silently_and_changes_nothing(tmp_path: Path) -> None:
    code = (
        "import importlib, os, random, sys, numpy\n"
        "openmp = {'OMP_WAIT_POLICY', 'THP_MEM_ALLOC_ENABLE'}  # read while torch loads, so train/__init__ has defaults\n"
        "def world():\n"
        "    draws = numpy.random.get_state()\n"
        "    names = {name: value for name, value in os.environ.items() if name not in openmp}\n"
        "    return random.getstate(), draws[1].tobytes(), draws[2], names, os.getcwd(), os.listdir()\n"
        "before = world()\n"
        "sys.argv = ['x', '--boom']\n"
        "for name in sys.stdin.read().split():\n"
        "    importlib.import_module(name)\n"
        "assert before == world()\n"
        "assert 'openai' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:llmhd_tools", "-c", code],
        input="\n".join(modules()), cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
