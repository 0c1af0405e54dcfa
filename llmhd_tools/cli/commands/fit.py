"""``llmhd fit``: a recommender in closed form."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, file, find_unused, one_of, takes
from llmhd_tools.registry import FITTED
from llmhd_tools.settings import Fitting, Profiles, Shuffling


@takes(
    without=("update", "scope", "tracked"),
    needs={Profiles: ({"drop": True},), "shuffle_texts": ({"items": True}, {"vectors": True})},
)
def command(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help=f"{', '.join(FITTED)}.", metavar="MODEL", callback=one_of(*FITTED))],
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[str, file("-o --output", "The model: a ranker; of popularity, embeddings.")],
    fitting: Fitting,
    shuffling: Shuffling,
    profiling: Profiles,
    items: Annotated[File, file("--items", "For l3ae: item texts, read as TF-IDF of their words.")] = None,
    vectors: Annotated[File, file("--vectors", "For l3ae: vectors of the items' texts (embed).")] = None,
    drop: Annotated[File, file("--drop", "Pairs to leave out: suspects or flags.")] = None,
) -> None:
    """Fit a recommender in closed form: no epochs, nothing drawn.

    popularity shows everyone what most have touched; itemknn what is alike by its users; ease weighs all items by ridge
    regression on one another, and l3ae draws these weights towards what the items' texts say. On random noise a fit
    like this is hard to beat, so it belongs into every table. A `weight` of the interactions counts. `evaluate`
    and `suspect` read the model. Of each item the strongest weights are kept, and what share of all that is
    is told.

    \b
    Examples:
      llmhd fit ease train.jsonl -o ease.npz
      llmhd fit l3ae train.jsonl --items items.jsonl --set pull=75 --set text-ridge=7 -o l3ae.npz
      llmhd fit l3ae train.jsonl --items items.jsonl --shuffle-texts 1 -o control.npz
      llmhd evaluate ease.npz test.jsonl --exclude train.jsonl --exclude valid.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors
    from llmhd_tools.stages.dataset import dataset_of
    from llmhd_tools.stages.edges import read_drop
    from llmhd_tools.stages.fit import fit

    check_output(output, [train, items, vectors, drop])
    check_binary(output)
    unused = find_unused(context)
    known = read_table(train, "interactions")
    found = fit(
        known,
        model,
        fitting,
        items=read_table(items, "items") if items else None,
        vectors=read_tensors(vectors, "vectors") if vectors else None,
        drop=read_drop(drop, dataset_of(known), profiling.confidence) if drop else None,
        shuffle_texts=shuffling.shuffle_texts,
    )
    if unused:
        notes.note(unused)
    write_tensors(output, found)
