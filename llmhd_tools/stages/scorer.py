"""A program of the user's in the place of ``score``, as ``SCORE=`` is under Make."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import numpy as np

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.streams import open_in, open_out
from llmhd_tools.files.table import Table


def judge(command: str, noisy: str, profiles: str, items: str, output: str) -> None:
    """Let ``COMMAND - --profiles FILE --items FILE`` read the noisy rows on its stdin; its stdout becomes ``output``.

    The words are those that Make gives to ``$(SCORE)``, so one program serves both. No shell is between. Raises
    UsageError where there is no such program, InputError where it fails.
    """
    words = [*parse(command), "-", "--profiles", profiles, "--items", items]
    with open_in(noisy) as rows, open_out(output) as judged:
        try:
            code = subprocess.run(words, stdin=rows, stdout=judged, check=False).returncode
        except OSError as error:
            raise UsageError(f"`scorer` {words[0]}: {(error.strerror or str(error)).lower()}") from None
        if code:
            raise InputError(f"the scorer ended with exit code {code} on these rows", where=noisy)


def parse(command: str) -> list[str]:
    """The words of a command. Raises UsageError where there is none, a quotation without an end, or no such program:
    it is needed only after the warm-up, which a slip of the pen should not cost."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"`scorer` '{command}': {str(error).lower()}") from None
    if not words:
        raise UsageError("`scorer` names no program")
    if shutil.which(words[0]) is None:
        raise UsageError(f"`scorer` {words[0]}: no such program; a script goes with its interpreter ('python my.py')")
    return words


def check_scored(asked: Table, judged: Table) -> None:
    """Say where the program scored nothing of what it was asked (noisy rows, suspects); ``score`` would fail there.

    Raises InputError where rows were lost: a row that is not there is not dropped but trained on.
    """
    if len(judged) != len(asked):
        lost = f"the scorer returned {len(judged):,} of {len(asked):,} rows"
        raise InputError(f"{lost}; it must pass every row through, scored or not", where=judged.source)
    wanted = int((asked["candidate" if "candidate" in asked else "cut"] == 1).sum())
    if wanted and not ("score" in judged and np.isfinite(judged["score"]).any()):
        notes.warn(f"the scorer gave none of {wanted:,} candidates a score, so it rescues none")
