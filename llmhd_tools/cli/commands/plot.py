"""``llmhd plot``: figures of runs and of diagnostics, as SVG or PNG."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.commands.compare import RunMetrics


def command(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of runs, NAME=PATTERN for all runs of one, or one file of diagnostics.", metavar="INPUT"
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The figure, .svg or .png.", metavar="FILE")],
    over: Annotated[
        str,
        typer.Option(
            "--over", help="What runs along x: epoch, noise (known noise added in training), or a setting of the runs."
        ),
    ] = "epoch",
    metrics: RunMetrics = None,
    split: Annotated[
        str | None, typer.Option("--split", help="valid, test or train. [valid over epochs, else test]")
    ] = None,
) -> None:
    """Draw metrics of runs, or diagnostics.

    One panel for each metric. Over epochs there is a line for each run; over a setting, such as alpha or max-noise, a
    line for each row of runs (named as in `compare`) with mean ± sd over seeds. Of a file that `diagnose` wrote: Figure 1
    over the epochs, and whether noise varies more than hard samples do. The same input gives the same bytes.

    \b
    Examples:
      llmhd plot runs/bpr-1 runs/llmhd-1 --metrics ndcg@10 -o curves.svg
      llmhd plot 'BPR=runs/*/bpr-*' 'LLMHD=runs/*/llmhd-*' --over noise --metrics recall@10,ndcg@10 -o noise.svg
      llmhd plot 'LLMHD=runs/alpha-*' --over alpha -o alpha.png
      llmhd plot diagnostics.jsonl -o figure-1.svg
    """
    import os

    from llmhd_tools import notes
    from llmhd_tools.cli.options import find_idle
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.report.drawing import save, styled
    from llmhd_tools.report.figures import across, diagnosed, over_epochs
    from llmhd_tools.report.runs import parse_wanted, read_runs

    form = suffix_of(output).lstrip(".")
    if form not in ("svg", "png"):
        raise UsageError(f"-o {output} ends neither in .svg nor in .png")
    check_output(output, inputs, forms=(".svg", ".png"))
    wanted = parse_wanted(metrics) if metrics else None
    of_runs = len(inputs) > 1 or not os.path.isfile(inputs[0])
    with styled():
        if not of_runs:
            figure = diagnosed(read_table(inputs[0], "diagnostics"))
        elif over == "epoch":
            figure = over_epochs(read_runs(inputs, metrics=False), wanted, split or "valid")
        else:
            figure = across(read_runs(inputs, metrics=False), wanted, split or "test", over)
        save(figure, output, form)
    if not of_runs and (idle := find_idle(context, ("over", "metrics", "split"), "figures of runs")):
        notes.note(idle)
