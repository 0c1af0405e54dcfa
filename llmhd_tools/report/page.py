"""The facts of a folder as one page of HTML: no script, nothing fetched, and whatever stands in the data is text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from llmhd_tools import notes
from llmhd_tools.files.jsonl import Record
from llmhd_tools.report.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TRAIN = ("dropped", "noisy", "hard", "calls", "tokens")


def page(found: Record, drawn: Mapping[str, str], title: str) -> str:
    """The page of what ``gather`` found; ``drawn`` holds SVGs by name, which stand in it as they are."""
    parts = [("Runs", _runs(found["runs"])), ("Alerts", _alerts(found["alerts"]))]
    if found["runs"]:
        parts.append(("Over the epochs", _curves(found["runs"], drawn)))
    parts += [(f"Issue: {one['file']}", _issue(one)) for one in found["issues"]]
    parts += [(f"{one['one']} and {one['other']}", _comparison(one)) for one in found["comparison"]]
    if found["runs"]:
        parts.append(("Made by", f'<pre tabindex="0">{_text(found["script"])}</pre>'))
    links = "".join(f'<li><a href="#s{n}">{_text(name)}</a></li>' for n, (name, _) in enumerate(parts))
    body = "".join(
        f'<section id="s{n}" aria-labelledby="h{n}"><h2 id="h{n}">{_text(name)}</h2>{inner}</section>\n'
        for n, (name, inner) in enumerate(parts)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{_text(title)}</title><style>{STYLE}</style></head>\n'
        f'<body><header><h1>{_text(title)}</h1><nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f"<main>\n{body}</main></body></html>\n"
    )


def _text(value: Any) -> str:
    """A value as text: control characters made visible, figures short, nothing of it markup."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return escape("\n".join(map(notes.visible, str(value).split("\n"))), quote=True)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]], caption: str) -> str:
    """A table that scrolls by itself where the page is narrow; the first cell of a row heads it."""
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    lines = "".join(_line(list(row)) for row in rows)
    label = _text(caption)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _line(row: list[Any]) -> str:
    cells = "".join(f"<td{_number(cell)}>{_text(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{_text(row[0])}</th>{cells}</tr>'


def _number(cell: Any) -> str:
    return ' class="n"' if isinstance(cell, int | float) and not isinstance(cell, bool) else ""


def _runs(runs: list[Record]) -> str:
    if not runs:
        return "<p>There are no runs in this folder.</p>"
    columns = {split: list(dict.fromkeys(m for run in runs for m in run[split])) for split in ("test", "valid")}
    kept = [name for name in _TRAIN if any(name in run["train"] for run in runs)]
    kept += sorted({m for run in runs for m in run["train"] if m.startswith("noise")})
    measured = [(split, metric) for split, metrics in columns.items() for metric in metrics]
    head = ["run", "denoise", "seed", "best epoch", *(f"{m} ({s})" for s, m in measured), *kept]
    rows = [
        [run["folder"], run["method"], run["seed"], f"{run['best_epoch']} of {run['epochs']}"]
        + [run[split].get(metric) for split, metric in measured]
        + [run["train"].get(name) for name in kept]
        for run in runs
    ]
    return _table(head, rows, "Each run at its best epoch")


def _alerts(alerts: list[str]) -> str:
    if not alerts:
        return "<p>Nothing stands out.</p>"
    return '<ul class="alerts">' + "".join(f"<li>{_text(text)}</li>" for text in alerts) + "</ul>"


def _curves(runs: list[Record], drawn: Mapping[str, str]) -> str:
    charts = "".join(
        f"<figure>{svg}<figcaption>{_text(name)} on valid, by epoch; a mark is the best epoch</figcaption></figure>"
        for name, svg in drawn.items()
    )
    tables = "".join(_values(run) for run in runs)
    if not charts:
        return tables
    return f'<div class="charts">{charts}</div><details><summary>The values</summary>{tables}</details>'


def _values(run: Record) -> str:
    at = sorted({epoch for points in run["curves"].values() for epoch, _ in points})
    by = {name: dict(points) for name, points in run["curves"].items()}
    return _table(["epoch", *by], ([e, *(points.get(e) for points in by.values())] for e in at), run["folder"])


def _issue(one: Record) -> str:
    told = [("rows", one["rows"]), ("with a score", one["scored"]), ("dropped", one["dropped"])]
    told += [("vouched for (5 or more)", one["vouched"]), ("precision of the dropped", one["precision"])]
    told += [("AUC against known noise", one["auc"])]
    facts = "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in told if value is not None)
    most = max((rows for _, _, rows in one["histogram"]), default=1) or 1
    bars = "".join(
        f'<tr><th scope="row">{_text(low)} – {_text(high)}</th><td class="n">{_text(rows)}</td>'
        f'<td class="bar"><span style="width:{100 * rows / most:.1f}%"></span></td></tr>'
        for low, high, rows in one["histogram"]
    )
    column = _text(one["score"] or "score").replace("_", " ")
    spread = f'<table class="bars"><caption>How {column} lies</caption><tbody>{bars}</tbody></table>' if bars else ""
    head = ["item", "user", one["score"] or "score", "dropped", "the reader's other items", "the model's words"]
    worst = _table(head, (_worst(row) for row in one["worst"]), "The rows that look most like noise")
    return f"<dl>{facts}</dl>{spread}{worst}"


def _worst(row: Record) -> list[Any]:
    more = f" and {row['more']} more" if row["more"] else ""
    return [row["title"], row["user"], row["score"], row["dropped"], "; ".join(row["others"]) + more, row["words"]]


def _comparison(one: Record) -> str:
    names = [one["one"], one["other"]]
    metrics = _table(
        ["metric", *names, "difference"], ([m, *its] for m, its in one["metrics"].items()), f"Metrics on {one['split']}"
    )
    settings = _table(["setting", *names], ([n, *its] for n, its in one["settings"].items()), "Settings that differ")
    return metrics + (settings if one["settings"] else "")
