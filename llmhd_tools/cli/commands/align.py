"""``llmhd align``: text vectors projected so that their cosine tells what a user would want."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, file, takes
from llmhd_tools.settings import Aligning


@takes()
def command(
    vectors: Annotated[str, typer.Argument(help="Vectors of users and items (embed).", metavar="VECTORS")],
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[str, file("-o --output", "The aligned vectors.")],
    aligning: Aligning,
    auc: Annotated[File, file("--auc", "Where to write the AUCs, as metrics.")] = None,
    valid: Annotated[File, file("--valid", "Choose the epoch on these, not on held-out pairs of TRAIN.")] = None,
    test: Annotated[File, file("--test", "Measure on these as well.")] = None,
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

    check_output(output, [vectors, train, valid, test])
    check_output(auc, [vectors, train, valid, test, output])
    check_binary(output)
    texts, known = read_tensors(vectors, "vectors"), read_table(train, "interactions")
    others = {name: read_table(path, "interactions") for name, path in (("valid", valid), ("test", test)) if path}
    aligned, records = align_vectors(texts, known, others, aligning)
    for split in dict.fromkeys(record["split"] for record in records):
        before, after = (record["value"] for record in records if record["split"] == split)
        notes.note(f"{split}: AUC of relevance {before:.4f} before, {after:.4f} after")
    if auc:
        write_records(auc, records)
    write_tensors(output, aligned)
