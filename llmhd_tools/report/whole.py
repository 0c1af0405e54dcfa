"""The report of a folder: its facts, and its page."""

from __future__ import annotations

import os
from dataclasses import dataclass

from llmhd_tools.files.folder import write_json
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.streams import open_out
from llmhd_tools.report.charts import curves
from llmhd_tools.report.gathering import gather
from llmhd_tools.report.page import page
from llmhd_tools.report.runs import read_runs


@dataclass(frozen=True)
class Report:
    """``facts`` as JSON has them, and ``html``, the same for people."""

    facts: Record
    html: str

    def write(self, path: str) -> None:
        """Write the page, whole or not at all."""
        with open_out(path) as out:
            out.write(self.html.encode())

    def write_json(self, path: str) -> None:
        """Write the facts, whole or not at all."""
        write_json(path, self.facts)


def report_of(folder: str) -> Report:
    """What a folder holds: runs, suspects, scores, judged rows, as facts and as one page of HTML.

    The page runs no script and fetches nothing; curves need matplotlib, and are tables without. Raises InputError where
    ``folder`` is none, or holds nothing to report.
    """
    facts = gather(folder)
    runs = read_runs([os.path.join(folder, run["folder"]) for run in facts["runs"]], metrics=False)
    title = f"llmhd report: {os.path.basename(os.path.abspath(folder))}"
    return Report(facts, page(facts, curves(runs), title))
