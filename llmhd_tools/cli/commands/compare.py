"""``llmhd compare``: runs side by side, mean ± sd over seeds, with a paired t-test."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import one_of

_BY_SUFFIX = {".jsonl": "jsonl", ".npz": "jsonl", ".md": "markdown", ".tex": "latex"}
Runs = Annotated[
    list[str],
    typer.Argument(help="Folders of runs, files of metrics, or NAME=PATTERN for all of one row.", metavar="RUN"),
]
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
        typer.Option("--pooled", help="Rows may hold runs of one seed on several TRAINs; these count as one."),
    ] = False,
    holm: Annotated[
        bool, typer.Option("--holm", help="Correct each metric's p for the number of rows tested (Holm 1979).")
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
) -> None:
    """Compare runs: mean ± sd over seeds, paired t-test.

    Runs that differ in nothing but their seed and their files are one row. Its name is the folder's without the seed
    (bpr of runs/bpr-1, runs/bpr/2), or NAME with NAME=PATTERN. The best of each metric is bold, the runner-up
    underlined; the t-test pairs runs by seed. With --pooled it pairs them by training file as well (noise levels), and
    a seed's differences count as one, by their mean: runs that share a seed are not independent. A value that runs do
    not have is blank. What `fit` and `blend` make is compared by the metrics that `evaluate -o NAME-SEED.jsonl` wrote.

    \b
    Examples:
      llmhd compare runs/bpr-1 runs/bpr-2 runs/bpr-3 runs/llmhd-1 runs/llmhd-2 runs/llmhd-3
      llmhd compare 'BPR=runs/bpr-*' 'LLMHD=runs/llmhd-*' --baseline BPR --metrics recall@10,ndcg@10 -o table.tex
      llmhd compare 'BPR=runs/*/bpr-*' 'LLMHD=runs/*/llmhd-*' --baseline BPR --pooled
      llmhd compare 'EASE=fits/ease-*.jsonl' 'BPR=runs/bpr-*' 'blend=fits/blend-*.jsonl' --baseline EASE --holm
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
    found = compare(runs, metrics.split(",") if metrics else None, split, baseline, published, pooled, holm)
    form = form or _BY_SUFFIX.get(suffix_of(output), "table")
    if form == "jsonl":
        write_table(output, found)
        return
    with open_out(output) as out:
        out.write(lay_out(list(to_records(found)), form).encode())
