"""``llmhd diagnose``: whether hard samples can be told from noise by loss, prediction, variance or score, epoch by epoch."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llmhd_tools.cli.options import File, History, More, Out, Seed, find_unused, takes
from llmhd_tools.settings import Pruning, Service, Staging

_TEXTS = ({"profiles": True, "items": True},)


@takes(
    without=("alpha", "schedule", "candidates", "selection", "warm_up", "live"),
    needs={Pruning: (), Staging: (), Service: _TEXTS, "scored": _TEXTS},
)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions with known `noise`.", metavar="TRAIN")],
    staging: Staging,
    pruning: Pruning,
    service: Service,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    held_out: Annotated[
        File,
        typer.Option(
            "--held-out",
            help="Noisy samples take their negatives from these interactions, false negatives as in Figure 1.",
            metavar="FILE",
        ),
    ] = None,
    profiles: Annotated[
        File, typer.Option("--profiles", help="User profiles, to score as well.", metavar="FILE")
    ] = None,
    items: Annotated[File, typer.Option("--items", help="Item texts, to score as well.", metavar="FILE")] = None,
    scored: Annotated[int, typer.Option("--scored", help="Clean and noisy rows to score, of each.", min=1)] = 1000,
    seed: Seed = 0,
    output: Out = "-",
) -> None:
    """See whether hard samples differ from noise.

    For every epoch of --history: distributions of loss, prediction and variance of easy, hard and noisy samples (the
    paper's Figure 1), and how well each tells noise apart (AUC); the same for clean and noisy rows inside the high-loss
    set, where LLMHD takes for hard what varies most (Eq. 8-10). There an AUC of variance below 0.5 means that noise
    varies less than the rest, as the paper assumes; since a sigmoid's variance depends on its height, matched-auc is the
    same among rows of like prediction. With --profiles and --items, scores of a part of the rows too.

    \b
    Examples:
      llmhd diagnose noisy.jsonl --history run/epoch-{1,2,3,4,5,6,7,8,9}/embeddings.npz -o diagnostics.jsonl
      llmhd diagnose noisy.jsonl --history emb-{1,2,3}.npz --held-out test.jsonl --profiles p.jsonl --items items.jsonl
    """
    from contextlib import ExitStack

    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.measure.diagnosis import diagnose
    from llmhd_tools.stages.dataset import read_history
    from llmhd_tools.stages.texts import read_texts

    history = [*history, *more]
    check_output(output, [train, held_out, profiles, items, *history])
    if not history:
        raise UsageError("--history is missing: give the embeddings of the epochs")
    if (profiles is None) != (items is None):
        raise UsageError("--profiles and --items go together")
    unused = find_unused(context)
    how: dict[str, Any] = {"window": staging.window, "max_noise": pruning.max_noise, "link": pruning.link, "seed": seed}
    table, epochs = read_table(train, "interactions"), read_history(history)
    with ExitStack() as opened:
        if profiles and items:
            texts = read_texts(profiles, "profiles"), read_texts(items, "items")
            asked = opened.enter_context(session(service, "diagnose", list(texts[1].values())))
            how |= {"texts": texts, "provider": asked.provider, "scored": scored}
        found = diagnose(table, epochs, held_out=read_table(held_out, "interactions") if held_out else None, **how)
        if profiles and not asked.answers:
            return
        if profiles:
            asked.complete()
    if unused:
        notes.note(unused)
    write_table(output, found)
