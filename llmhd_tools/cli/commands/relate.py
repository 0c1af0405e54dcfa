"""``llmhd relate``: asks about the pairs that a trained model finds doubtful, from two sides."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Items, Out, file, takes
from llmhd_tools.settings import Relating, Service


@takes(without=("expected_score",))
def command(
    embeddings: Annotated[str, typer.Argument(help="Embeddings of a trained model.", metavar="EMBEDDINGS")],
    train: Annotated[str, file("--train", "Training interactions.")],
    profiles: Annotated[str, file("--profiles", "User profiles (kind profiles).")],
    items: Items,
    relating: Relating,
    service: Service,
    output: Out = "-",
) -> int:
    """Ask whether disputed pairs are hard or noisy.

    Disputed are each user's interactions of lowest score and other items of highest score. Two questions a pair: does
    the item fit the profile, and does it fit the items that the user scores highest? A pair is hard if both answers are
    High, else noisy. A pair without two answers gets an `error` and no verdict; exit 1 where no pair has a verdict.

    \b
    Examples:
      llmhd relate emb-56.npz --train train.jsonl --profiles profiles.jsonl --items items.jsonl \\
        --llm openai:MODEL --domain books --dry-run
      llmhd relate emb-56.npz --train train.jsonl --profiles profiles.jsonl --items items.jsonl \\
        --lowest 0.2 --highest 2 -o relations.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.dataset import read_dataset
    from llmhd_tools.stages.relate import relate
    from llmhd_tools.stages.texts import read_texts

    check_output(output, [embeddings, train, profiles, items])
    dataset, z = read_dataset(train), read_tensors(embeddings, "embeddings")
    user_texts, item_texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    with session(service, "relate", list(item_texts.values())) as asked:
        result = relate(z, dataset, user_texts, item_texts, asked.provider, relating)
        if not asked.answers:
            return 0
        asked.complete()
        write_table(output, result)
    verdicts = result.columns["verdict"]
    hard, noisy, failed = (sum(verdict == name for verdict in verdicts) for name in ("hard", "noisy", None))
    nothing = len(result) > 0 and failed == len(result)
    tell = notes.warn if nothing else notes.note
    tell(
        f"{len(result):,} disputed pairs judged by {asked.provider.name}: {hard:,} hard, {noisy:,} noisy, "
        f"{failed:,} without a verdict{Reasons(result.columns.get('error', []))}"
    )
    return int(nothing)
