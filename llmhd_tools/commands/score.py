"""``llmhd score``: how well the candidates' items fit their users' profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.options import Items, Out, Quiet, Verbose
from llmhd_tools.options_llm import LlmOptions, takes_llm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.session import Session
    from llmhd_tools.files.tables import Table
    from llmhd_tools.llm.provider import Provider, Score

TARGETS = {"item": "score", "negative": "negative_score"}
_JUDGED = {"noisy": "judged", "suspects": "suspects"}  # what a table becomes


@takes_llm()
def command(
    noisy: Annotated[
        str, typer.Argument(help="Noisy samples (prune), or suspects (suspect); - is stdin.", metavar="NOISY")
    ],
    profiles: Annotated[str, typer.Option("--profiles", help="User profiles (kind profiles).", metavar="FILE")],
    items: Items,
    llm: LlmOptions,
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
    from llmhd_tools import console
    from llmhd_tools.commands.loading import digest_of, read_texts
    from llmhd_tools.commands.session import session
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.streams import check_output, suffix_of
    from llmhd_tools.files.tables import read_chunks, read_table, write_chunks

    check_output(output, [noisy, profiles, items])
    user_texts, item_texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    wanted = failed = 0

    def judged(asked: Session) -> Iterator[Table]:
        nonlocal wanted, failed
        binary, kinds = suffix_of(output) == ".npz", tuple(_JUDGED)
        for chunk in [read_table(noisy, kinds)] if binary else read_chunks(noisy, kinds):
            result = score(chunk, user_texts, item_texts, asked.provider)
            if binary:
                inputs = {chunk.kind: chunk.digest(), "profiles": digest_of(user_texts), "items": digest_of(item_texts)}
                result.meta = {"made": made("score", {"llm": asked.provider.name}, inputs)}
            wanted += int(_due(chunk).sum())
            failed += sum(error is not None for error in result.columns["error"])
            yield result
        asked.complete()

    with session(llm, "score", list(item_texts.values())) as asked:
        if not asked.answers:
            for _ in judged(asked):
                pass
            return 0
        write_chunks(output, judged(asked))
    console.note(f"score: {wanted - failed:,} candidates scored by {asked.provider.name}, {failed:,} without a score")
    return int(wanted > 0 and failed == wanted)


def _due(table: Table) -> NDArray[np.bool_]:
    """Which rows are to be scored, (n,) bool."""
    due: NDArray[np.bool_] = table["cut" if table.kind == "suspects" else "candidate"] == 1
    return due


def score(noisy: Table, profiles: Mapping[str, str], items: Mapping[str, str], provider: Provider) -> Table:
    """Noisy rows or suspects with ``score``, ``negative_score`` (pairwise), ``error`` and ``model``, in their order.

    ``profiles`` and ``items`` map an id's text to its text; a pair whose text is missing gets an error. The requests of a
    user follow each other, so that their prompts share a beginning.
    """
    import numpy as np

    from llmhd_tools.files.tables import Table

    due = _due(noisy)
    rows = np.flatnonzero(due)
    errors: list[str | None] = [None] * len(noisy)
    targets = {name: target for name, target in TARGETS.items() if name in noisy}
    scores = {target: np.full(len(noisy), np.nan) for target in targets.values()}
    masses = {f"{target[:-5]}p_mass": np.full(len(noisy), np.nan) for target in targets.values()}
    asked = sorted(_requests(noisy, rows, targets, profiles, items, errors), key=lambda ask: ask[0])
    answers = provider.answer(request for *_, request in asked)
    for (_, row, target, _request), answer in zip(asked, answers, strict=True):
        if answer.error is None:
            scores[target][row] = answer.value
            masses[f"{target[:-5]}p_mass"][row] = np.nan if answer.p_mass is None else answer.p_mass
        else:
            errors[row] = errors[row] or answer.error
    failed = np.array([error is not None for error in errors], dtype=bool)
    for values in (*scores.values(), *masses.values()):  # one failed answer leaves the whole row without scores
        values[failed] = np.nan
    known = {name: values for name, values in masses.items() if not np.isnan(values).all()}
    model = [provider.name if asked_for else None for asked_for in due]
    columns = {**noisy.columns, **scores, **known, "error": errors, "model": model}
    return Table(_JUDGED[noisy.kind], columns, noisy.users, noisy.items, extra=noisy.extra, source=noisy.source)


def _requests(
    noisy: Table,
    rows: NDArray[np.int64],
    targets: Mapping[str, str],
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    errors: list[str | None],
) -> Iterator[tuple[int, int, str, Score]]:
    """(user's code, row, target, request) of every pair that has texts; what is missing is told in ``errors``."""
    from llmhd_tools.llm.provider import Score

    users = [str(name) for name in noisy.users.take(noisy["user"][rows])]
    codes = noisy["user"][rows].tolist()
    for column, target in targets.items():
        names = [str(name) for name in noisy.items.take(noisy[column][rows])]
        for row, code, user, name in zip(rows.tolist(), codes, users, names, strict=True):
            if not profiles.get(user):
                errors[row] = errors[row] or f"user '{user}' has no profile"
            elif not items.get(name):
                errors[row] = errors[row] or f"item '{name}' has no text"
            else:
                yield code, row, target, Score(profiles[user], items[name])
