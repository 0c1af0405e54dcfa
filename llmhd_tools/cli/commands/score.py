"""``llmhd score``: how well the candidates' items fit their users' profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import File, Out, Seed, file, find_unused, takes
from llmhd_tools.cli.session import Session
from llmhd_tools.settings import Cascading, Scoring, Service

if TYPE_CHECKING:
    from llmhd_tools.files.table import Table


@takes(needs={name: ({"cascade": True},) for name in ("proxy", "seed")})
def command(
    context: typer.Context,
    noisy: Annotated[
        str,
        typer.Argument(help="Noisy samples (prune), suspects, or any interactions; - is stdin.", metavar="NOISY"),
    ],
    scoring: Scoring,
    cascading: Cascading,
    service: Service,
    items: Annotated[File, file("--items", "Item texts (kind items).")] = None,
    profiles: Annotated[File, file("--profiles", "User profiles (kind profiles).")] = None,
    train: Annotated[File, file("--train", "Training interactions, for --history-items.")] = None,
    proxy: Annotated[
        File, file("--proxy", "For --cascade: a scorer of `distil` in the place of the suspicion.")
    ] = None,
    seed: Seed = 0,
    output: Out = "-",
) -> int:
    """Score the candidates: 1 (not for this user) to 10.

    Rows stream through; only rows with `candidate` true are scored (Eq. 11), positives and negatives, and of suspects
    those with `cut` true; of plain interactions all are, and come back as suspects that are not cut. A pair that cannot
    be scored gets an `error` instead, never a made-up score; exit 1 where no candidate at all could be scored.

    --together N asks about up to N of a user's candidates in one call, in an order drawn by digest; how the scores go with
    the place in the call is told. --history-items N shows items of the user's own, others than those judged, so that no
    profile is needed. --dry-run says what each costs. --llm distilled:FILE (of `distil`) goes by ids and needs no texts.

    --cascade RECALL asks about --label-budget suspects at random, and from what these score says how suspicious a pair has
    to be for RECALL of all that would score --noise-below or less to be found, but for a chance of --delta. Only pairs
    from there on are asked about too; the others lose their `cut`.

    \b
    Examples:
      llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl
      llmhd score noisy-3.jsonl --profiles profiles.jsonl --items items.jsonl -o judged-3.jsonl
      llmhd score suspects.npz --profiles profiles.jsonl --items items.jsonl -o scored.npz
      llmhd score suspects.npz --train train.jsonl --history-items 12 --items items.jsonl --together 10 -o scored.npz
      llmhd score suspects.npz --profiles profiles.jsonl --items items.jsonl --cascade 0.95 -o scored.npz
      llmhd score suspects.npz --llm distilled:scorer.npz -o scored.npz
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import read_chunks, read_table, write_chunks
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.stages.cascade import cascade, check_cascade
    from llmhd_tools.stages.score import JUDGED, check_asked, made_of, read_shown, score

    unused = find_unused(context)
    check_output(output, [noisy, profiles, items, train, proxy])
    check_asked(scoring, items, profiles, train, service.llm, service.expected_score)
    check_cascade(cascading, service)
    shown = read_shown(profiles, items, train)
    scorer = read_tensors(proxy, "embeddings") if proxy else None
    whole, kinds = suffix_of(output) == ".npz" or cascading.cascade is not None, tuple(JUDGED)
    counts = _Counts()

    def judged(asked: Session) -> Iterator[Table]:
        def ask(pairs: Table) -> Table:
            texts = shown.profiles, shown.items
            return score(pairs, *texts, asked.provider, scoring, train=shown.train, places=counts.places)

        for chunk in [read_table(noisy, kinds)] if whole else read_chunks(noisy, kinds):
            result = cascade(chunk, ask, cascading, seed, scorer)
            if whole:
                result.meta = made_of(chunk, shown, asked.provider.name, scoring, cascading, seed)
            counts.add(result)
            yield result
        asked.complete()

    with session(service, "score", list(shown.items.values())) as asked:
        if not asked.answers:
            for _ in judged(asked):
                pass
            return 0
        write_chunks(output, judged(asked))
    if unused:
        notes.note(unused)
    return counts.tell(asked.provider.name)


class _Counts:
    """How many pairs were asked about, how many got no score, and why."""

    def __init__(self) -> None:
        from llmhd_tools.llm.reasons import Reasons
        from llmhd_tools.stages.together import Places

        self.reasons, self.places = Reasons(), Places()
        self.wanted = self.failed = 0

    def add(self, result: Table) -> None:
        """Count a table of ``score``."""
        self.wanted += sum(model is not None for model in result.columns["model"])
        self.failed += self.reasons.add_all(result.columns["error"])

    def tell(self, name: str) -> int:
        """Say it; the exit status."""
        from llmhd_tools import notes

        nothing = self.wanted > 0 and self.failed == self.wanted
        tell = notes.warn if nothing else notes.note
        scored = f"{self.wanted - self.failed:,} candidates scored by {name}, {self.failed:,} without a score"
        tell(f"{scored}{self.reasons}{self.places}")
        return int(nothing)
