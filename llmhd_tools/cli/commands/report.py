"""``llmhd report``: what a folder of runs and scores holds, as one page."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    folder: Annotated[str, typer.Argument(help="Where runs, suspects and judged files are.", metavar="FOLDER")],
    output: Annotated[str, typer.Option("-o", "--output", help="The page, .html; - is stdout.", metavar="FILE")],
    facts: Annotated[
        str | None, typer.Option("--json", help="The same facts as JSON; - is stdout.", metavar="FILE")
    ] = None,
) -> None:
    """Report on a folder: runs, alerts, what looks like noise.

    One HTML page that fetches nothing and runs no script: the runs with their metrics, what should not be missed, in
    words, curves over the epochs (with matplotlib; else as tables), the rows that look most like noise, with their
    users' other items, each run beside the first, and a script that makes the runs again. Precision and AUC stand where
    a file of interactions in the folder marks known noise; titles where there are item texts.

    \b
    Examples:
      llmhd report . -o report.html
      llmhd report studies/books -o report.html --json report.json
    """
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.report.whole import report_of

    if output == facts == "-":
        raise UsageError("-o and --json both name stdout; name a file for one")
    check_output(output, [facts], (".html", ".htm"), "name it .html")
    check_output(facts, [output], (".json",), "name it .json")
    made = report_of(folder)
    made.write(output)
    if facts:
        made.write_json(facts)
