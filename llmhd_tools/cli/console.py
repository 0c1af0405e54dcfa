"""stderr and exits: notes, progress, and the one place where an exception becomes a line and an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from llmhd_tools import notes
from llmhd_tools.errors import InputError, LlmhdError

T = TypeVar("T")

INTERRUPTED = 130
READER_GONE = 141
BUG = 70
NO_MEMORY = 4


class _Lines(logging.Handler):
    """Prints the library's lines, after the name of the command."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        say(f"{self.command}: {spelt(record.getMessage())}")


def listen(command: str) -> None:
    """Let what the library says while this command runs be printed, at the usual level."""
    for handler in [*notes.LOG.handlers]:
        if isinstance(handler, _Lines):
            notes.LOG.removeHandler(handler)
    notes.LOG.addHandler(_Lines(command))
    notes.LOG.setLevel(logging.INFO)
    notes.BAR.set(_bar)


def quiet(value: bool) -> bool:
    """Print warnings and errors only (-q)."""
    if value:
        notes.LOG.setLevel(logging.WARNING)
    return value


def verbose(value: bool) -> bool:
    """Print the traceback of an error too (-v)."""
    if value:
        notes.LOG.setLevel(logging.DEBUG)
    return value


def spelt(text: str) -> str:
    """A message of the library with its choices as options: ``--max-noise`` of `max_noise`."""
    return re.sub(r"`([a-z_]+)`", lambda found: f"--{found[1].replace('_', '-')}", text)


def say(text: str) -> None:
    """One line on stderr, whatever the level; control characters of untrusted text are shown, not obeyed."""
    if sys.stderr is None:  # closed from the start; print would then write to stdout, among the data
        return
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not turn success into failure
        print(notes.visible(text), file=sys.stderr, flush=True)  # noqa: T201


def _bar(items: Iterable[Any], label: str, total: int | None) -> Iterator[Any]:
    """The items, with a progress bar on stderr where that is a terminal."""
    if not notes.LOG.isEnabledFor(logging.INFO) or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, total=total, console=Console(stderr=True), transient=True)


class Stopped(KeyboardInterrupt):
    """SIGTERM, which a scheduler sends, or SIGHUP, as a terminal goes away."""

    def __init__(self, number: int) -> None:
        self.number = number


def _stop(number: int, _frame: object) -> NoReturn:
    raise Stopped(number)


def exit_of(signalled: KeyboardInterrupt) -> int:
    """The exit code after a signal: 130 (SIGINT), 143 (SIGTERM) or 129 (SIGHUP)."""
    return 128 + signalled.number if isinstance(signalled, Stopped) else INTERRUPTED


def stoppable(work: Callable[[], T]) -> T:
    """Run ``work``, which SIGTERM and SIGHUP leave as SIGINT does: tidily, and told in one line."""
    numbers = [signal.SIGTERM, signal.SIGHUP] if threading.current_thread() is threading.main_thread() else []
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup's choice stands
    for number in ours:
        signal.signal(number, _stop)
    try:
        return work()
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def guard(command: str, work: Callable[[], int | None], claim: Callable[[int], int | None] = lambda code: None) -> int:
    """Run ``work``; its exit code, or that of what it raised, told in one line.

    Where several processes work together, ``claim`` takes the code of what was raised here and gives None where this
    process is to tell it, else the code of the process that has told already.
    """
    try:
        code = work() or 0
        _flush()
        return code
    except BrokenPipeError:
        _forget_stdout()
        return READER_GONE
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            from llmhd_tools.files.streams import drop_unfinished

            drop_unfinished()
        code, text = _explain(error)
        told = claim(code)
        if told is not None:
            return told
        if notes.LOG.isEnabledFor(logging.DEBUG) and not isinstance(error, KeyboardInterrupt):
            import traceback

            traceback.print_exc()
        say(f"{command}: {text}")
        return code


def _explain(error: BaseException) -> tuple[int, str]:
    if isinstance(error, KeyboardInterrupt):
        return exit_of(error), "interrupted"
    if isinstance(error, LlmhdError):
        return error.exit_code, spelt(str(error))
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own usage errors
        return int(error.exit_code), f"{error.format_message()} (see --help)"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return NO_MEMORY, "out of memory; try smaller --batch or --dim, or another --device"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return 1, f"{name}{(error.strerror or str(error)).lower()}"
    return BUG, f"internal error, please report it: {type(error).__name__}: {error} (run with -v for the details)"


def _flush() -> None:
    """Let what is still buffered fail here, and not in Python's own flush at exit."""
    if sys.stdout is None or sys.stdout.closed:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_stdout()
        raise InputError(f"cannot be written: {(error.strerror or str(error)).lower()}", where="stdout") from None


def _forget_stdout() -> None:
    """Point stdout at nothing, so that Python's own flush at exit does not complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
