"""``llmhd prune``: the high-loss samples of each batch, and which of them may be hard."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import (
    Alpha,
    Candidates,
    History,
    Link,
    MaxNoise,
    More,
    Out,
    Quiet,
    Schedule,
    Seed,
    Selection,
    Verbose,
)


def command(
    samples: Annotated[
        str, typer.Argument(help="Samples of the coming epoch (train-epoch --next).", metavar="SAMPLES")
    ],
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    alpha: Alpha = 3000.0,
    max_noise: MaxNoise = 0.05,
    schedule: Schedule = "ramp",
    candidates: Candidates = 0.5,
    selection: Selection = "variance",
    link: Link = "sigmoid",
    step: Annotated[
        int | None,
        typer.Option("--step", help="T of the first batch, where the samples are JSONL without meta.", min=0),
    ] = None,
    seed: Seed = 0,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
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
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.stages.dataset import align, read_history
    from llmhd_tools.stages.prune import prune

    history = [*history, *more]
    check_output(output, [samples, *history])
    table = read_table(samples, "samples")
    first = table.meta.get("step", step)
    if first is None:
        raise UsageError(f"{samples} does not say its first step; give it with --step")
    if step not in (None, first):
        raise UsageError(f"--step {step} contradicts {samples}, whose first step is {first}; leave it out")
    epochs = read_history(history)
    rate = NoiseRate(alpha, max_noise, schedule)
    choice = {"candidates": candidates, "selection": selection, "link": link, "seed": seed}
    noisy = prune(table, align(epochs, table.users, table.items), rate, first, **choice)  # type: ignore[arg-type]
    params = {"alpha": alpha, "max_noise": max_noise, "schedule": schedule, "step": first, **choice}
    noisy.meta = {
        "made": made("prune", params, {"samples": table.digest(), "history": [epoch.digest() for epoch in epochs]})
    }
    write_table(output, noisy)
    notes.note(
        f"{len(noisy):,} of {len(table):,} samples are noisy, {(noisy['candidate'] == 1).sum():,} of them candidates"
    )
