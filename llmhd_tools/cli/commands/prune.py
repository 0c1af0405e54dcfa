"""``llmhd prune``: the high-loss samples of each batch, and which of them may be hard."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import History, More, Out, Seed, takes
from llmhd_tools.settings import Pruning


@takes()
def command(
    samples: Annotated[
        str, typer.Argument(help="Samples of the coming epoch (train-epoch --next).", metavar="SAMPLES")
    ],
    pruning: Pruning,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    step: Annotated[
        int | None,
        typer.Option("--step", help="T of the first batch, where the samples are JSONL without meta.", min=0),
    ] = None,
    seed: Seed = 0,
    output: Out = "-",
) -> None:
    """Pick noisy samples by loss, hard candidates by variance.

    In each batch the samples of highest loss are noisy (Eq. 5-7); of those, the pairs whose prediction varied most over
    the epochs of --history are candidates (Eq. 8-10, 17), for `score` to judge. Without two epochs of history nothing is
    a candidate, and `train-epoch --judged` drops all of the noisy ones.

    \b
    Examples:
      llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz > noisy-3.jsonl
      llmhd prune samples-6.npz --history emb-{1,2,3,4,5}.npz > noisy-6.jsonl
      llmhd prune samples-3.npz --candidates 0 | llmhd train-epoch train.jsonl --from model-2.npz --judged - ...
    """
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.stages.dataset import read_history
    from llmhd_tools.stages.prune import prune

    history = [*history, *more]
    check_output(output, [samples, *history])
    table = read_table(samples, "samples")
    noisy = prune(table, read_history(history), pruning, step=step, seed=seed)
    write_table(output, noisy)
    candidates = int((noisy["candidate"] == 1).sum())
    notes.note(f"{len(noisy):,} of {len(table):,} samples are noisy, {candidates:,} of them candidates")
