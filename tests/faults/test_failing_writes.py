"""A file at its final name is whole: whichever write, fsync or rename fails, it is the old one or the new one.

The Nth call of a kind fails for N = 1, 2, ... until the command gets through; bin/faults does that to every command.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path

import pytest
from how_wide import WIDE
from test_bad_inputs import LINES, words

from llmhd_tools.cli.app import main

SAMPLE = {"convert": 9, "prune": 9, "inject-noise": 9, "update-profiles": 4, "train-epoch": 2}  # command: N at most
COMMANDS = [name for name in LINES if name != "import" and (WIDE or name in SAMPLE)]  # the import: below


class Faulty:
    """Lets the Nth call of one kind fail as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: str, number: int) -> None:
        self.kind, self.left = kind, number
        fdopen, fsync, replace = os.fdopen, os.fsync, os.replace
        layer = self

        class Raw(io.FileIO):
            def write(self, data):  # type: ignore[no-untyped-def]
                layer.count("write")
                return super().write(data)

        def faulty_fdopen(handle, mode="r", *more, **named):  # type: ignore[no-untyped-def]
            if mode != "w+b":
                return fdopen(handle, mode, *more, **named)
            return io.BufferedRandom(Raw(handle, "r+"))

        def counted(kind, real):  # type: ignore[no-untyped-def]
            def call(*given, **named):  # type: ignore[no-untyped-def]
                layer.count(kind)
                return real(*given, **named)

            return call

        monkeypatch.setattr(os, "fdopen", faulty_fdopen)
        monkeypatch.setattr(os, "fsync", counted("fsync", fsync))
        monkeypatch.setattr(os, "replace", counted("rename", replace))

    def count(self, kind: str) -> None:
        if kind == self.kind:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def outputs(folder: Path) -> dict[str, bytes]:
    """What the command has made, by name; a run's folder file by file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for out in [*folder.glob("out*"), folder / "flags.npz"]
        for path in ([out] if out.is_file() else sorted(out.rglob("*")))
        if path.is_file()
    }


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared, tmp_path / "data"))


@pytest.mark.parametrize("kind", ["write", "fsync", "rename"])
@pytest.mark.parametrize("name", COMMANDS)
def test_the_nth_that_fails(name: str, kind: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = [*words(folder, name), "-q"]
    before = outputs(folder)
    assert main(line) in (0, 1)
    whole = outputs(folder)
    for number in range(1, 1000 if WIDE else SAMPLE[name] + 1):
        for out in folder.glob("out*"):
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        (folder / "flags.npz").write_bytes(before["flags.npz"])
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            faulty = Faulty(patch, kind, number)
            code = main(line)
        told = capfd.readouterr().err
        left = outputs(folder)
        assert not [path for path in folder.rglob("*.part") if path.is_file()]
        if faulty.left > 0:
            assert left == whole
            return
        assert code == 1 and told.count("\n") == 1 and "no space left on device" in told, (number, code, told)
        if name != "run":  # whose records grow with each epoch
            assert all(content in (whole.get(out), before.get(out)) for out, content in left.items()), number
        again = [*line, "--resume"] if name == "run" else line
        assert main(again) == 0 and outputs(folder) == whole, number
    assert not WIDE
