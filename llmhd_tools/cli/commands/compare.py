"""``llmhd compare``: runs side by side, mean ± sd over seeds, with a paired t-test."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Quiet, Verbose, one_of

_BY_SUFFIX = {".jsonl": "jsonl", ".npz": "jsonl", ".md": "markdown", ".tex": "latex"}
Runs = Annotated[list[str], typer.Argument(help="Folders of runs, or NAME=PATTERN for all runs of one.", metavar="RUN")]
RunMetrics = Annotated[
    str | None,
    typer.Option("--metrics", help="Such as recall@10,ndcg@10. [all of the split]", metavar="NAMES"),
]
Split = typer.Option("--split", help="test; or valid or train, at the epoch that was best on valid.")


def command(
    runs: Runs,
    metrics: RunMetrics = None,
    split: Annotated[str, Split] = "test",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", help="Test each against this one, not the best against the runner-up.", metavar="NAME"
        ),
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option("--beside", help="Published figures to show as well (kind comparison).", metavar="FILE"),
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled", help="Rows may hold runs of one seed on several TRAINs; both pair them."),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, markdown, latex or jsonl. [as -o ends: .md, .tex, .jsonl; else table]",
            callback=one_of("table", "markdown", "latex", "jsonl"),
        ),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="Where to write; - is stdout.", metavar="FILE")] = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare runs: mean ± sd over seeds, paired t-test.

    Runs that differ in nothing but their seed and their files are one row. Its name is the folder's without the seed
    (bpr of runs/bpr-1, runs/bpr/2), or NAME with NAME=PATTERN. The best of each metric is bold, the runner-up
    underlined; the t-test pairs runs by seed, with --pooled by seed and training file (noise levels, datasets), so that
    a gain that is small on each may show on all. A value that runs do not have is blank.

    \b
    Examples:
      llmhd compare runs/bpr-1 runs/bpr-2 runs/bpr-3 runs/llmhd-1 runs/llmhd-2 runs/llmhd-3
      llmhd compare 'BPR=runs/bpr-*' 'LLMHD=runs/llmhd-*' --baseline BPR --metrics recall@10,ndcg@10 -o table.tex
      llmhd compare 'BPR=runs/*/bpr-*' 'LLMHD=runs/*/llmhd-*' --baseline BPR --pooled
      llmhd compare runs/* --split valid --format jsonl
    """
    from llmhd_tools.files.streams import check_output, open_out, suffix_of
    from llmhd_tools.files.table import to_records
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.report.compare import compare
    from llmhd_tools.report.layout import lay_out

    forms = (*_BY_SUFFIX, ".txt")
    check_output(output, [beside], forms, f"name it {', '.join(forms)}")
    published = read_table(beside, "comparison") if beside else None
    found = compare(runs, metrics.split(",") if metrics else None, split, baseline, published, pooled)
    form = form or _BY_SUFFIX.get(suffix_of(output), "table")
    if form == "jsonl":
        write_table(output, found)
        return
    with open_out(output) as out:
        out.write(lay_out(list(to_records(found)), form).encode())
