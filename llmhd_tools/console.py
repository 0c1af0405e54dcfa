"""stderr and exits: notes, progress, and the one place where an exception becomes a line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from llmhd_tools.errors import LlmhdError

T = TypeVar("T")

INTERRUPTED = 130
READER_GONE = 141
BUG = 70
NO_MEMORY = 4


class Level:
    """How much talk goes to stderr; set by -q and -v, used by this module only."""

    quiet = False
    verbose = False


def note(text: str) -> None:
    """One line for the person, on stderr; silent with -q."""
    if not Level.quiet:
        say(text)


def say(text: str) -> None:
    """One line on stderr, whatever the level; control characters of untrusted text are shown, not obeyed."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not turn success into failure
        print(visible, file=sys.stderr, flush=True)  # noqa: T201


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The items, with a progress bar on stderr where that is a terminal."""
    if Level.quiet or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, total=total, console=Console(stderr=True), transient=True)


def guard(command: str, work: Callable[[], int | None]) -> int:
    """Run ``work``; its exit code, or that of what it raised, told in one line."""
    try:
        code = work() or 0
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _forget_stdout()
        return READER_GONE
    except KeyboardInterrupt:
        say(f"{command}: interrupted")
        return INTERRUPTED
    except Exception as error:
        if Level.verbose:
            import traceback

            traceback.print_exc()
        code, text = _explain(error)
        say(f"{command}: {text}")
        return code


def _explain(error: Exception) -> tuple[int, str]:
    if isinstance(error, LlmhdError):
        return error.exit_code, str(error)
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own usage errors
        return int(error.exit_code), f"{error.format_message()} (see --help)"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return NO_MEMORY, "out of memory; try smaller --batch or --dim, or another --device"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return 1, f"{name}{(error.strerror or str(error)).lower()}"
    return BUG, f"internal error, please report it: {type(error).__name__}: {error} (run with -v for the details)"


def _forget_stdout() -> None:
    """Point stdout at nothing, so that Python's own flush at exit does not complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
