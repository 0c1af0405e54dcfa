"""``llmhd align``: text vectors projected so that their cosine tells what a user would want."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Quiet, Seed, Verbose, finite

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
    from llmhd_tools import notes
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors
    from llmhd_tools.stages.align import align_vectors
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
        notes.note(f"{split}: AUC of relevance {before:.4f} before, {after:.4f} after")
    if auc:
        write_records(auc, records)
    write_tensors(output, aligned)
