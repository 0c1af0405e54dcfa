"""A comparison as a table for people: on a terminal, in Markdown, in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmhd_tools.files.jsonl import Record
from llmhd_tools.notes import visible
from llmhd_tools.report.runs import spell
from llmhd_tools.report.terminal import table

LEVELS = (0.01, 0.05)  # p below the first: **, below the second: *


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is the best (1) or the runner-up (2), and the stars of its test."""

    text: str = ""
    place: int | None = None
    stars: str = ""


@dataclass(frozen=True)
class Layout:
    """A comparison in rows and columns; ``notes`` say what its marks mean."""

    header: list[str]
    rows: list[list[Cell]]
    notes: list[str]


def lay_out(records: Sequence[Record], form: str) -> str:
    """Records of kind comparison as ``table``, ``markdown`` or ``latex``."""
    return {"table": _terminal, "markdown": markdown, "latex": latex}[form](arrange(records))


def arrange(records: Sequence[Record]) -> Layout:
    """One row for each method, its published figures below it, one column for each metric."""
    metrics = list(dict.fromkeys((r["metric"], r.get("k")) for r in records))
    cells = {(r["row"], bool(r.get("published")), (r["metric"], r.get("k"))): r for r in records}
    ours = list(dict.fromkeys(r["row"] for r in records if not r.get("published")))
    theirs = list(dict.fromkeys(r["row"] for r in records if r.get("published")))
    order = [(row, p) for row in ours for p in (False, True) if not p or row in theirs]
    order += [(row, True) for row in theirs if row not in ours]
    counts = [name for name in ("runs", "epoch") if any(name in r for r in records)]
    rows = []
    for row, published in order:
        found = [cells.get((row, published, metric)) for metric in metrics]
        first: Record = next(r for r in found if r)
        name = f"{row} (published)" if published else row
        rows.append([Cell(name), *(_count(first.get(count)) for count in counts), *map(_cell, found)])
    return Layout(["", *counts, *map(spell, metrics)], rows, _notes(records))


def _count(value: float | None) -> Cell:
    return Cell("" if value is None else f"{value:.0f}")


def _cell(record: Record | None) -> Cell:
    if record is None:
        return Cell()
    spread = f" ± {_number(record['sd'])}" if "sd" in record else ""
    p = record.get("p", 1.0)
    return Cell(_number(record["value"]) + spread, record.get("place"), "*" * sum(p < level for level in LEVELS))


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"


def _notes(records: Sequence[Record]) -> list[str]:
    tested = [r for r in records if "p" in r]
    corrected = (
        f", Holm-corrected for {max(many)} rows" if (many := [r["tests"] for r in tested if "tests" in r]) else ""
    )
    notes = []
    if any("sd" in r for r in records):
        notes.append("mean ± sd over seeds")
    if any("place" in r for r in records):
        notes.append("bold: best; underlined: runner-up")
    if len({r["against"] for r in tested}) == 1 and any(r.get("place") != 1 for r in tested):
        notes.append(f"* p < 0.05, ** p < 0.01 against {tested[0]['against']}, paired t-test{corrected}")
    elif tested:
        told = [f"{spell((r['metric'], r.get('k')))} {_p(r['p'])}" for r in tested]
        notes.append(f"p of the best against the runner-up, paired t-test: {', '.join(told)}; * p < 0.05, ** p < 0.01")
    if any(r.get("published") for r in records):
        notes.append("published: figures of others, neither ranked nor tested")
    return notes


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"


def markdown(layout: Layout) -> str:
    """GitHub's Markdown; names are escaped."""

    def show(cell: Cell) -> str:
        text = re.sub(r"([\\`*_<>\[\]|#&~$])", r"\\\1", visible(cell.text))
        text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell.place or 0, text)
        return text + cell.stars.replace("*", "\\*")

    lines = [layout.header, ["---", *["---:"] * (len(layout.header) - 1)]]
    lines += [[show(cell) for cell in row] for row in layout.rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = show(Cell("; ".join(layout.notes)))
    return f"{table}\n{notes[:1].upper()}{notes[1:]}.\n" if layout.notes else table


_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
          "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': r"\textquotedbl{}"} | {c: f"\\{c}" for c in "&%$#_{}"}  # fmt: skip


def latex(layout: Layout) -> str:
    """A tabular of the booktabs package; names are escaped."""

    def escape(text: str) -> str:
        return "".join(_LATEX.get(c, c) for c in visible(text))

    def show(cell: Cell) -> str:
        text = escape(cell.text)
        text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(cell.place or 0, text)
        return text + (f"$^{{{cell.stars}}}$" if cell.stars else "")

    rows = "".join(" & ".join(map(show, row)) + " \\\\\n" for row in layout.rows)
    head = " & ".join(map(escape, layout.header))
    notes = "".join(f"% {visible(note)}\n" for note in layout.notes)
    columns = "l" + "r" * (len(layout.header) - 1)
    return f"{notes}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n"


def _terminal(layout: Layout) -> str:
    styles = {1: "bold", 2: "underline"}
    rows = [[(cell.text + cell.stars, styles.get(cell.place or 0, "")) for cell in row] for row in layout.rows]
    return table(layout.header, rows) + "".join(f"{visible(note)}\n" for note in layout.notes)
