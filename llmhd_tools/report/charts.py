"""Curves for a page: one inline SVG a metric, in the page's own colours."""

from __future__ import annotations

import re
from importlib.util import find_spec

from llmhd_tools.report.drawing import draw, styled
from llmhd_tools.report.figures import over_epochs
from llmhd_tools.report.runs import Run

_FLAT = re.DOTALL


def curves(runs: list[Run]) -> dict[str, str]:
    """The metrics on valid over the epochs as SVG, by their names; nothing without matplotlib or without metrics."""
    known = dict.fromkeys((r["metric"], r.get("k")) for run in runs for r in run.records if r["split"] == "valid")
    if find_spec("matplotlib") is None:
        return {}
    found = {}
    with styled():
        for number, metric in enumerate(known):
            drawn = draw(over_epochs(runs, [metric], "valid"), "svg").decode()
            found[metric[0] if metric[1] is None else f"{metric[0]}@{metric[1]}"] = _inline(drawn, f"c{number}")
    return found


def _inline(svg: str, name: str) -> str:
    """An SVG file as a part of a page: no head, no comments, ids of its own, black as the page's text."""
    svg = svg[svg.index("<svg") :]
    for part in (r"<!--.*?-->", r"<metadata>.*?</metadata>"):
        svg = re.sub(part, "", svg, flags=_FLAT)
    svg = re.sub(r'(<[^<>]* )id="', rf'\1id="{name}-', svg)
    svg = re.sub(r'(<[^<>]*(?:href="|url\()#)', rf"\1{name}-", svg)
    svg = re.sub(r"fill: ?#ffffff", "fill: none", svg)
    svg = svg.replace("#000000", "currentColor").replace("#dddddd", "var(--line)")
    svg = re.sub(r"<text style=\"", '<text style="fill: currentColor; ', svg)
    return re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2).replace("<svg ", '<svg aria-hidden="true" ', 1)
