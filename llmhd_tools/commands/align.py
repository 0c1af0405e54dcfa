"""``llmhd align``: text vectors projected so that their cosine tells what a user would want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.options import Quiet, Seed, Verbose, finite

if TYPE_CHECKING:
    from llmhd_tools.core.graph import Codes, Graph
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.train.align import Aligning

Path = str | None


def command(
    vectors: Annotated[str, typer.Argument(help="Vectors of users and items (embed).", metavar="VECTORS")],
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[str, typer.Option("-o", "--output", help="The aligned vectors.", metavar="FILE")],
    auc: Annotated[Path, typer.Option("--auc", help="Where to write the AUCs, as metrics.", metavar="FILE")] = None,
    valid: Annotated[
        Path, typer.Option("--valid", help="Choose the epoch on these, not on held-out pairs of TRAIN.", metavar="FILE")
    ] = None,
    test: Annotated[Path, typer.Option("--test", help="Measure on these as well.", metavar="FILE")] = None,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out", help="Share of each user's pairs that is held out.", min=0.01, max=0.5, callback=finite
        ),
    ] = 0.1,
    positives: Annotated[
        float,
        typer.Option(
            "--positives",
            help="Share of each user's pairs, closest in text first, to learn from, ρ.",
            min=0.01,
            max=1,
            callback=finite,
        ),
    ] = 0.5,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Of the softmax, τ_a.", min=0.01, callback=finite)
    ] = 0.2,
    dim: Annotated[int, typer.Option("--dim", help="Width of the aligned vectors.", min=1)] = 64,
    hidden: Annotated[
        int | None, typer.Option("--hidden", help="Hidden width. [half of both widths' sum]", min=1)
    ] = None,
    lr: Annotated[float, typer.Option("--lr", help="Adam's learning rate.", min=0, callback=finite)] = 0.001,
    batch: Annotated[
        int, typer.Option("--batch", help="Pairs in a batch; their items are the negatives.", min=2)
    ] = 1024,
    epochs: Annotated[int, typer.Option("--epochs", help="At most so many epochs.", min=1)] = 50,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without a higher AUC that end it.", min=1)] = 5,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Align text vectors with what users choose.

    A small network, the same for users and items, is trained to put a user near those of the user's items that are
    close in text already, and away from other items (LLMHNI, objective alignment). The AUC is the chance that a pair is
    closer than the user with an item drawn by popularity; it is told before (epoch 0) and after.

    \b
    Examples:
      llmhd align vectors.npz train.jsonl -o aligned.npz
      llmhd align vectors.npz train.jsonl --valid valid.jsonl --test test.jsonl --seed 1 -o aligned.npz --auc auc.jsonl
    """
    from llmhd_tools import console
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors
    from llmhd_tools.train.align import Aligning

    check_output(output, [vectors, train, valid, test])
    check_output(auc, [vectors, train, valid, test, output])
    check_binary(output)
    texts, known = read_tensors(vectors, "vectors"), read_table(train, "interactions")
    others = {name: read_table(path, "interactions") for name, path in (("valid", valid), ("test", test)) if path}
    how = Aligning(dim, hidden, positives, temperature, lr, batch, epochs, patience, seed)
    aligned, records = align_vectors(texts, known, others, how, held_out)
    for split in dict.fromkeys(record["split"] for record in records):
        before, after = (record["value"] for record in records if record["split"] == split)
        console.note(f"align: {split}: AUC of relevance {before:.4f} before, {after:.4f} after")
    if auc:
        write_records(auc, records)
    write_tensors(output, aligned)


def align_vectors(
    vectors: Tensors, train: Table, others: Mapping[str, Table], how: Aligning, held_out: float
) -> tuple[Tensors, list[dict[str, Any]]]:
    """The aligned vectors, and records of the AUC of relevance before (epoch 0) and after on each split.

    ``others`` may hold valid and test. Pairs of a user or an item without a vector are left out. Raises InputError where
    one side has no vectors, or no pair is left to learn from or to choose by.
    """
    from dataclasses import asdict

    from llmhd_tools import console
    from llmhd_tools.core.relevance import relevance_auc
    from llmhd_tools.errors import InputError
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.train.align import align
    from llmhd_tools.train.threads import use_threads

    if len(vectors.arrays) < 2:
        raise InputError("has vectors of one side only; embed items and profiles in one call", where=vectors.source)
    use_threads(1)  # products on several threads may differ in the last digit
    before = vectors.arrays["user"], vectors.arrays["item"]
    graphs = {name: _graph(table, vectors) for name, table in [("train", train), *others.items()]}
    if lost := len(train) - len(graphs["train"]):
        console.note(f"align: {lost:,} rows of {train.source} are repeated or have no vectors, and are left out")
    if "valid" not in graphs:
        graphs |= _hold_out(graphs["train"], held_out, how.seed)
    chosen_on = "valid" if "valid" in others else "held-out"
    pairs = _against_popular(graphs, how.seed) if len(graphs["train"]) else {}
    if not {"train", chosen_on} <= pairs.keys():
        what = f"no {'train' if 'train' not in pairs else chosen_on} pair has vectors on both sides and a negative"
        raise InputError(f"{what} to be measured against", where=vectors.source)
    done = align(before, graphs["train"], how, lambda now: relevance_auc(now, *pairs[chosen_on]))
    after = done.users, done.items
    records = [
        {"epoch": epoch, "split": split, "metric": "relevance-auc", "value": relevance_auc(rows, *pairs[split])}
        for epoch, rows in ((0, before), (done.epoch, after))
        for split in pairs
    ]
    inputs: dict[str, str | list[str]] = {"vectors": vectors.digest(), "train": train.digest("user", "item")}
    inputs |= {name: table.digest("user", "item") for name, table in others.items()}
    meta = {"made": made("align", asdict(how) | {"held_out": held_out}, inputs)}
    arrays = {"user": done.users, "item": done.items}
    return Tensors("vectors", arrays, vectors.users, vectors.items, meta), records


def _graph(table: Table, vectors: Tensors) -> Graph:
    """The interactions that have vectors on both sides, in the vectors' codes."""
    from llmhd_tools.core.graph import Graph

    user, item = (
        table.users.translate(vectors.users)[table["user"]],
        table.items.translate(vectors.items)[table["item"]],
    )
    known = (user >= 0) & (item >= 0)
    return Graph.of(user[known], item[known], len(vectors.users), len(vectors.items))


def _hold_out(graph: Graph, share: float, seed: int) -> dict[str, Graph]:
    """The graph in two parts, ``train`` and ``held-out``; every user keeps a pair to train on."""
    from llmhd_tools.core.graph import Graph
    from llmhd_tools.core.seeds import generator
    from llmhd_tools.core.split import split_per_user

    part = split_per_user(graph.user, (1 - share, share), rng=generator(seed, 0, "held-out"))
    return {
        name: Graph(graph.n_users, graph.n_items, graph.user[part == number], graph.item[part == number])
        for number, name in enumerate(("train", "held-out"))
    }


def _against_popular(graphs: Mapping[str, Graph], seed: int) -> dict[str, tuple[Codes, Codes, Codes]]:
    """Of each split its users, items and negatives, which are drawn by popularity from what the user never touched.

    A pair without such a negative is left out, and a split without pairs too.
    """
    import numpy as np

    from llmhd_tools.core.graph import Graph
    from llmhd_tools.core.relevance import popular_negatives
    from llmhd_tools.core.seeds import generator

    first, *_ = graphs.values()
    user, item = (np.concatenate([getattr(graph, side) for graph in graphs.values()]) for side in ("user", "item"))
    touched = Graph.of(user, item, first.n_users, first.n_items)
    pairs = {}
    for name, graph in graphs.items():
        negative = popular_negatives(graphs["train"], touched, graph.user, generator(seed, 0, f"popular {name}"))
        found = negative >= 0
        if found.any():
            pairs[name] = graph.user[found], graph.item[found], negative[found]
    return pairs
