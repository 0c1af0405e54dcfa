"""stderr and exits: notes, progress, and the one place where an exception becomes a line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from llmhd_tools.errors import InputError, LlmhdError

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
    if sys.stderr is None:  # closed from the start; print would then write to stdout, among the data
        return
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not turn success into failure
        print(visible(text), file=sys.stderr, flush=True)  # noqa: T201


def visible(text: str) -> str:
    """The text with its control characters spelt out, so that it stays on its line and moves no cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(header: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]) -> str:
    """A table of (text, style) cells, the first column names and the others numbers; styled only on a terminal."""
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        made.add_column(Text(visible(name)), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text().append(visible(text), style) for text, style in row))
    out, shown = io.StringIO(), sys.stdout is not None and sys.stdout.isatty()
    Console(file=out, force_terminal=shown, width=None if shown else 10_000).print(made)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines()) + "\n\n"


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The items, with a progress bar on stderr where that is a terminal."""
    if Level.quiet or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, total=total, console=Console(stderr=True), transient=True)


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
        code, text = _explain(error)
        told = claim(code)
        if told is not None:
            return told
        if Level.verbose and not isinstance(error, KeyboardInterrupt):
            import traceback

            traceback.print_exc()
        say(f"{command}: {text}")
        return code


def _explain(error: BaseException) -> tuple[int, str]:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
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
