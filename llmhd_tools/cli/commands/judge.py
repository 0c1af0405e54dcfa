"""``llmhd judge``: what scores are worth, against known noise and against another judge."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, Out, file


def command(
    scores: Annotated[
        str, typer.Argument(help="Scored pairs: suspects, judged rows, or pairs with a `score`.", metavar="SCORES")
    ],
    marked: Annotated[File, file("--noise", "Interactions with known `noise`; else the marks in SCORES.")] = None,
    against: Annotated[
        File, file("--against", "Scores of the same pairs by people, another model, or the same one on another day.")
    ] = None,
    below: Annotated[float, typer.Option("--below", help="Scores up to here call a pair noise.", min=1, max=10)] = 5,
    output: Out = "-",
) -> None:
    """Judge the judge: agreement of scores with noise or others.

    Against known noise: the chance that a noisy pair scores below a clean one (auc), the same within users, Cohen's kappa,
    precision and recall of calling noise what scores up to --below, and the noisy share of each score (calibration).
    --against compares with the scores of people or of another model: correlations, kappa weighed by the square of the
    difference, the share within half a point, and the mean difference, which shows the drift of a model that is asked the
    same again. A pair that was scored more than once counts with its last score. Standard errors leave users out in turn.

    \b
    Examples:
      llmhd judge scored.jsonl --noise train.jsonl
      llmhd judge scored.jsonl --against people.jsonl -o agreement.jsonl
      llmhd judge today.jsonl --against anchors.jsonl | jq -c 'select(.measure == "difference")'
    """
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.measure.agreement import agreement
    from llmhd_tools.stages.scored import SCORED

    check_output(output, [scores, marked, against])
    found = agreement(
        read_table(scores, SCORED),
        marked=read_table(marked, "interactions") if marked else None,
        against=read_table(against, SCORED) if against else None,
        below=below,
    )
    write_table(output, found)
