"""``llmhd score``: how well the candidates' items fit their users' profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import Items, Out, Quiet, Verbose, file, takes
from llmhd_tools.cli.session import Session
from llmhd_tools.settings import Service

if TYPE_CHECKING:
    from llmhd_tools.files.table import Table


@takes()
def command(
    noisy: Annotated[
        str, typer.Argument(help="Noisy samples (prune), or suspects (suspect); - is stdin.", metavar="NOISY")
    ],
    profiles: Annotated[str, file("--profiles", "User profiles (kind profiles).")],
    items: Items,
    service: Service,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Score the candidates: 1 (not for this user) to 10.

    Rows stream through; only rows with `candidate` true are scored (Eq. 11), positives and negatives, and of suspects
    those with `cut` true. A pair that cannot be scored gets an `error` instead, never a made-up score; exit 1 where no
    candidate at all could be scored.

    \b
    Examples:
      llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl
      llmhd score noisy-3.jsonl --profiles profiles.jsonl --items items.jsonl -o judged-3.jsonl
      llmhd score suspects.npz --profiles profiles.jsonl --items items.jsonl -o scored.npz
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import read_chunks, read_table, write_chunks
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.score import JUDGED, due_rows, score
    from llmhd_tools.stages.texts import digest_of, read_texts

    check_output(output, [noisy, profiles, items])
    user_texts, item_texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    wanted = failed = 0
    reasons = Reasons()

    def judged(asked: Session) -> Iterator[Table]:
        nonlocal wanted, failed
        binary, kinds = suffix_of(output) == ".npz", tuple(JUDGED)
        for chunk in [read_table(noisy, kinds)] if binary else read_chunks(noisy, kinds):
            result = score(chunk, user_texts, item_texts, asked.provider)
            if binary:
                inputs = {chunk.kind: chunk.digest(), "profiles": digest_of(user_texts), "items": digest_of(item_texts)}
                result.meta = {"made": made("score", {"llm": asked.provider.name}, inputs)}
            wanted += int(due_rows(chunk).sum())
            for error in result.columns["error"]:
                failed += error is not None
                reasons.add(error)
            yield result
        asked.complete()

    with session(service, "score", list(item_texts.values())) as asked:
        if not asked.answers:
            for _ in judged(asked):
                pass
            return 0
        write_chunks(output, judged(asked))
    nothing = wanted > 0 and failed == wanted
    tell = notes.warn if nothing else notes.note
    tell(f"{wanted - failed:,} candidates scored by {asked.provider.name}, {failed:,} without a score{reasons}")
    return int(nothing)
