"""``llmhd inject-noise``: known false positives, to measure denoising against."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Out, Seed


def command(
    train: Annotated[str, typer.Argument(help="Clean interactions; - is stdin.", metavar="TRAIN")],
    ratio: Annotated[
        float,
        typer.Option("--ratio", help="Noisy rows to add, as a share of TRAIN's rows.", min=0, max=1000),
    ],
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool", help="Draw from these interactions (say, low-rated ones), not at random.", metavar="FILE"
        ),
    ] = None,
    against: Annotated[
        list[str], typer.Option("--against", help="Never add a pair of this file; repeat it for more.", metavar="FILE")
    ] = [],  # noqa: B006
    seed: Seed = 0,
    output: Out = "-",
) -> None:
    """Add known noise to interactions.

    Adds pairs that TRAIN and the --against files do not hold, of users and items that TRAIN has, and marks each row
    `noise` true or false. Random pairs are far easier to find than real noise; --pool draws from real dislikes. Only
    `evaluate --noise` ever looks at the mark.

    \b
    Examples:
      llmhd inject-noise train.jsonl --ratio 0.1 --seed 7 --against valid.jsonl --against test.jsonl -o noisy.jsonl
      llmhd inject-noise train.jsonl --ratio 0.05 --pool low-rated.jsonl -o noisy.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.stages.noise import inject_noise

    check_output(output, [train, pool, *against])
    clean, others = read_table(train, "interactions"), [read_table(path, "interactions") for path in against]
    noisy = inject_noise(clean, ratio, seed, others, read_table(pool, "interactions") if pool else None)
    write_table(output, noisy)
    notes.note(f"{len(noisy) - len(clean):,} noisy rows added to {len(clean):,}")
