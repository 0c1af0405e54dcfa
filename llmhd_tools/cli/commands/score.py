"""``llmhd score``: how well the candidates' items fit their users' profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import File, Out, file, takes
from llmhd_tools.cli.session import Session
from llmhd_tools.settings import Scoring, Service

if TYPE_CHECKING:
    from llmhd_tools.files.table import Table


@takes()
def command(
    noisy: Annotated[
        str,
        typer.Argument(help="Noisy samples (prune), suspects, or any interactions; - is stdin.", metavar="NOISY"),
    ],
    scoring: Scoring,
    service: Service,
    items: Annotated[File, file("--items", "Item texts (kind items).")] = None,
    profiles: Annotated[File, file("--profiles", "User profiles (kind profiles).")] = None,
    train: Annotated[File, file("--train", "Training interactions, for --history-items.")] = None,
    output: Out = "-",
) -> int:
    """Score the candidates: 1 (not for this user) to 10.

    Rows stream through; only rows with `candidate` true are scored (Eq. 11), positives and negatives, and of suspects
    those with `cut` true; of plain interactions all are, and come back as suspects that are not cut. A pair that cannot
    be scored gets an `error` instead, never a made-up score; exit 1 where no candidate at all could be scored.

    --together N asks about up to N of a user's candidates in one call, in an order drawn by digest; how the scores go with
    the place in the call is told. --history-items N shows items of the user's own, others than those judged, so that no
    profile is needed. --dry-run says what each costs. --llm distilled:FILE (of `distil`) goes by ids and needs no texts.

    \b
    Examples:
      llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl
      llmhd score noisy-3.jsonl --profiles profiles.jsonl --items items.jsonl -o judged-3.jsonl
      llmhd score suspects.npz --profiles profiles.jsonl --items items.jsonl -o scored.npz
      llmhd score suspects.npz --train train.jsonl --history-items 12 --items items.jsonl --together 10 -o scored.npz
      llmhd score suspects.npz --llm distilled:scorer.npz -o scored.npz
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import read_chunks, read_table, write_chunks
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.dataset import read_dataset
    from llmhd_tools.stages.score import JUDGED, check_asked, due_rows, made_of, score
    from llmhd_tools.stages.texts import read_texts
    from llmhd_tools.stages.together import Places

    check_output(output, [noisy, profiles, items, train])
    check_asked(scoring, items, profiles, train, service.llm, service.expected_score)
    item_texts = read_texts(items, "items") if items else {}
    user_texts, dataset = read_texts(profiles, "profiles") if profiles else None, read_dataset(train) if train else None
    wanted = failed = 0
    reasons, places = Reasons(), Places()

    def judged(asked: Session) -> Iterator[Table]:
        nonlocal wanted, failed
        binary, kinds = suffix_of(output) == ".npz", tuple(JUDGED)
        for chunk in [read_table(noisy, kinds)] if binary else read_chunks(noisy, kinds):
            result = score(chunk, user_texts, item_texts, asked.provider, scoring, train=dataset, places=places)
            if binary:
                result.meta = made_of(chunk, user_texts, item_texts, dataset, asked.provider.name, scoring)
            wanted += int(due_rows(chunk).sum())
            failed += reasons.add_all(result.columns["error"])
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
    tell(f"{wanted - failed:,} candidates scored by {asked.provider.name}, {failed:,} without a score{reasons}{places}")
    return int(nothing)
