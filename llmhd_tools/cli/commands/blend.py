"""``llmhd blend``: several models as one."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, file, find_unused, takes
from llmhd_tools.settings import Blending


@takes()
def command(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(help="Embeddings, models of `fit`, blends.", metavar="MODEL...")],
    output: Annotated[str, file("-o --output", "The blend, a ranker that holds its models.")],
    blending: Blending,
    exclude: Annotated[
        list[str], file("--exclude", "Pairs that are not ranked (train); scores are standardised over the others.")
    ] = [],  # noqa: B006 - typer copies it
    valid: Annotated[File, file("--valid", "Held-out interactions that choose the weights.")] = None,
    prior: Annotated[
        File, file("--prior", "Appraisals of the items, to be added too; one MODEL is enough then.")
    ] = None,
    disliked: Annotated[
        File, file("--disliked", "Held-out dislikes (not of the test), by which to choose the prior's weight too.")
    ] = None,
) -> None:
    """Add the scores of several models, and appraised items, into one model.

    Of each user each model's scores get mean 0 and deviation 1 before they are weighed and added, so that models of any
    scale can be added. With --valid the weights are searched for: one model after the other takes that of 0, 0.25, 0.5,
    0.75, 1, 1.5, 2, 3, 4 that ranks VALID best by --select, until none changes; the best one's stays 1. `evaluate` and
    `suspect` read a blend as they read one model. Different models err differently: a linear one and one on the graph
    gain most.

    With --prior the items' appraisals are added as well, the same for all users: models rank what will be chosen, and
    appraisals know what disappoints those who chose it. Its weight is the largest of 0 to 4 that keeps --select on VALID,
    or --prior-keep of it; with --disliked it is, of these, the one of fewest dislikes.

    \b
    Examples:
      llmhd blend l3ae.npz best.npz --exclude train.jsonl --valid valid.jsonl -o blend.npz
      llmhd blend ease.npz runs/softmax/best.npz --exclude train.jsonl --weights 1,2 -o blend.npz
      llmhd blend best.npz --prior appraisals.jsonl --exclude train.jsonl --valid valid.jsonl -o blend.npz
      llmhd evaluate blend.npz test.jsonl --exclude train.jsonl --exclude valid.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.files.tensors import write_tensors
    from llmhd_tools.measure.blend import blend
    from llmhd_tools.stages.rankers import read_ranker

    check_output(output, [*models, *exclude, valid, prior, disliked])
    check_binary(output)
    unused = find_unused(context)
    found = blend(
        [read_ranker(path) for path in models],
        blending,
        exclude=[read_table(path, "interactions") for path in exclude],
        valid=read_table(valid, "interactions") if valid else None,
        prior=read_table(prior, "appraisals") if prior else None,
        disliked=read_table(disliked, "interactions") if disliked else None,
    )
    for sentence in filter(
        None, (unused, "" if exclude else "without --exclude scores are standardised over all items")
    ):
        notes.note(sentence)
    write_tensors(output, found)
