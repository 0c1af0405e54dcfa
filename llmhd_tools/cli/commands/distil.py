"""``llmhd distil``: a small scorer that imitates a language model's scores."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, file


def command(
    scored: Annotated[
        str, typer.Argument(help="Scored pairs: suspects, judged rows, or pairs with a `score`.", metavar="SCORED")
    ],
    train: Annotated[str, file("--train", "Training interactions.")],
    output: Annotated[str, file("-o --output", "The scorer, a file of embeddings (.npz).")],
    embeddings: Annotated[File, file("--embeddings", "A model whose predictions count.")] = None,
    vectors: Annotated[File, file("--vectors", "Text vectors of the items (embed, align).")] = None,
    appraisals: Annotated[File, file("--appraisals", "How well items are liked on the whole (appraise).")] = None,
) -> None:
    """Make a small scorer that imitates a language model's scores.

    Some hundred scored pairs are enough for a linear model of what is cheap to know: how active the user and how popular
    the item is, and, where given, a model's prediction, the items' text vectors, their appraisals. How well it imitates
    pairs of items that it was not shown is told. The file scores every pair of TRAIN for `score --llm distilled:FILE`,
    and since it is a file of embeddings, `evaluate`, `suspect --history` and `blend` take it as a model.

    \b
    Examples:
      llmhd distil scored.jsonl --train train.jsonl --vectors vectors.npz -o scorer.npz
      llmhd distil scored.jsonl --train train.jsonl --vectors vectors.npz --appraisals appraisals.jsonl -o scorer.npz
      llmhd score suspects.npz --llm distilled:scorer.npz -o scored.npz
    """
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors
    from llmhd_tools.stages.dataset import read_dataset
    from llmhd_tools.stages.distil import distil
    from llmhd_tools.stages.scored import SCORED

    check_output(output, [scored, train, embeddings, vectors, appraisals])
    check_binary(output)
    found = distil(
        read_table(scored, SCORED),
        read_dataset(train),
        embeddings=read_tensors(embeddings, "embeddings") if embeddings else None,
        vectors=read_tensors(vectors, "vectors") if vectors else None,
        appraisals=read_table(appraisals, "appraisals") if appraisals else None,
    )
    write_tensors(output, found)
