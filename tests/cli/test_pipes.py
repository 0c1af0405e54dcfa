"""stdin and stdout: a reader that is gone, a closed or full stdout, notes that never mix with data."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmhd_tools.cli.app import main

ROOT = Path(__file__).parents[2]
TO_STDOUT = {
    "inject-noise": "@train.jsonl --ratio 0.1",
    "convert": "@train.npz -",
    "validate": "@train.jsonl",
    "summarize": "@train.jsonl --items @items.jsonl",
    "score": "@noisy-3.jsonl --profiles @profiles.jsonl --items @items.jsonl",
    "update-profiles": "@profiles.jsonl --train @train.jsonl --items @items.jsonl --model @model-3.npz --flags @f.npz",
    "prune": "@samples-3.npz --alpha 2 --max-noise 0.3",
    "evaluate": "@emb-3.npz @test.jsonl",
}
NAMES = list(TO_STDOUT)


@pytest.fixture(scope="module")
def folder(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import shutil

    folder = Path(shutil.copytree(trained_once, tmp_path_factory.mktemp("pipes") / "data"))
    assert main(["convert", str(folder / "train.jsonl"), str(folder / "train.npz")]) == 0
    return folder


def words(folder: Path, name: str) -> list[str]:
    return [name, *(str(folder / w[1:]) if w[0] == "@" else w for w in TO_STDOUT[name].split()), "-q"]


@pytest.fixture
def broken_pipe() -> Iterator[io.TextIOWrapper]:
    """A stdout whose reader is gone already."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = io.TextIOWrapper(os.fdopen(writer, "wb"))
    yield stream
    stream.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_that_is_gone(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    broken_pipe: io.TextIOWrapper,
    name: str,
) -> None:
    monkeypatch.setattr(sys, "stdout", broken_pipe)
    assert main(words(folder, name)) == 141
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_stdout_is_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, name: str
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(words(folder, name)) == 1
    assert capfd.readouterr().err == f"llmhd {name}: stdout: is closed\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_full_stdout_is_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, name: str
) -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:  # closing it fails too
        monkeypatch.setattr(sys, "stdout", full)
        assert main(words(folder, name)) == 1
    monkeypatch.undo()
    assert capfd.readouterr().err == f"llmhd {name}: stdout: cannot be written: no space left on device\n"


def test_with_an_output_file_a_closed_stdout_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main([*words(folder, "inject-noise"), "-o", str(tmp_path / "a.jsonl")]) == 0


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A script for bash, in which $llmhd is the tool as a user starts it."""
    env = os.environ | {"llmhd": f"{sys.executable} -m llmhd_tools"}
    return subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True)


def test_in_a_real_shell(folder: Path) -> None:
    """Python's own flush at exit adds no words and no exit code."""
    many = folder / "many.jsonl"
    many.write_text("".join(f'{{"user": {n % 7}, "item": {n}}}\n' for n in range(20_000)))
    done = shell(
        folder,
        "$llmhd convert many.jsonl - | head -1; echo ${PIPESTATUS[0]}\n"
        "$llmhd convert many.jsonl - > /dev/full; echo $?\n"
        "$llmhd convert train.jsonl - > /dev/full; echo $?\n"
        "$llmhd validate train.jsonl >&-; echo $?\n"
        "$llmhd convert - out.jsonl <&-; echo $?\n"
        "$llmhd convert nowhere.jsonl - 2>&-; echo $?\n",
    )
    assert done.stdout.splitlines() == ['{"user": 0, "item": 0}', "141", "1", "1", "1", "1", "1"]
    full = "llmhd convert: stdout: cannot be written: no space left on device"
    closed = ["llmhd validate: stdout: is closed", "llmhd convert: stdin: is closed"]
    assert done.stderr.splitlines() == [full, full, *closed]


def test_one_epoch_as_a_pipe_is_the_same_as_by_files(folder: Path) -> None:
    prune = "$llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz --alpha 2 --max-noise 0.3 2>/dev/null"
    done = shell(folder, f"{prune} | $llmhd score - --profiles profiles.jsonl --items items.jsonl -q")
    assert done.returncode == 0 and done.stdout == (folder / "judged-3.jsonl").read_text() and done.stderr == ""


def test_talk_goes_to_stderr_and_quiet_silences_it(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    line = words(folder, "score")
    assert main(line[:-1]) == 0
    loud = capfd.readouterr()
    assert main(line) == 0
    quiet = capfd.readouterr()
    assert loud.out == quiet.out == (folder / "judged-3.jsonl").read_text() and quiet.err == ""
    assert "not a language model" in loud.err and loud.err.count("\n") == 2


def test_untrusted_text_cannot_speak_to_the_terminal(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"user": "a", "item": {"\\u001b[31m\\nllmhd: all is well": 1}}\n')
    assert main(["validate", "--kind", "interactions", str(tmp_path / "a.jsonl")]) == 1
    err = capfd.readouterr().err
    assert "\x1b" not in err and len(err.splitlines()) == 1


def test_interruption_and_bugs(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def raising(error: BaseException) -> int:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("llmhd_tools.files.tables.write_table", fail)
        return main(words(folder, "convert"))

    assert raising(KeyboardInterrupt()) == 130
    assert capfd.readouterr().err == "llmhd convert: interrupted\n"
    assert raising(MemoryError()) == 4
    assert "out of memory" in capfd.readouterr().err
    assert raising(EOFError("odd")) == 70
    assert capfd.readouterr().err.startswith("llmhd convert: internal error, please report it: EOFError: odd")
