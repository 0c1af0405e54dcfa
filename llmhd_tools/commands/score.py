"""``llmhd score``: how well the candidates' items fit their users' profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.options import Items, Llm, Out, Quiet, Verbose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.files.tables import Table
    from llmhd_tools.llm.provider import Provider


def command(
    noisy: Annotated[str, typer.Argument(help="Noisy samples (prune); - is stdin.", metavar="NOISY")],
    profiles: Annotated[str, typer.Option("--profiles", help="User profiles (kind profiles).", metavar="FILE")],
    items: Items,
    llm: Llm = "lexical",
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Score the candidates: 1 (not for this user) to 10.

    Rows stream through; only rows with `candidate` true are scored (Eq. 11), positives and negatives. A pair that cannot
    be scored gets an `error` instead, never a made-up score; exit 1 where no candidate at all could be scored.

    \b
    Examples:
      llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz \\
        | llmhd score - --profiles profiles.jsonl --items items.jsonl
      llmhd score noisy-3.jsonl --profiles profiles.jsonl --items items.jsonl -o judged-3.jsonl
    """
    from llmhd_tools import console
    from llmhd_tools.commands.loading import read_texts
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_chunks, write_chunks
    from llmhd_tools.llm.provider import open_provider

    check_output(output, [noisy, profiles, items])
    user_texts, item_texts = read_texts(profiles, "profiles"), read_texts(items, "items")
    provider = open_provider(llm, item_texts=list(item_texts.values()))
    if provider.notice:
        console.note(f"score: {provider.notice}")
    wanted = failed = 0

    def judged() -> Iterator[Table]:
        nonlocal wanted, failed
        for chunk in read_chunks(noisy, "noisy"):
            result = score(chunk, user_texts, item_texts, provider)
            wanted += int((result["candidate"] == 1).sum())
            failed += sum(error is not None for error in result.columns["error"])
            yield result

    write_chunks(output, judged())
    console.note(f"score: {wanted - failed:,} candidates scored by {provider.name}, {failed:,} without a score")
    return int(wanted > 0 and failed == wanted)


def score(noisy: Table, profiles: Mapping[str, str], items: Mapping[str, str], provider: Provider) -> Table:
    """Noisy rows with ``score``, ``negative_score`` (pairwise), ``error`` and ``model``; row order is kept.

    ``profiles`` and ``items`` map an id's text to its text; a pair whose text is missing gets an error.
    """
    import numpy as np

    from llmhd_tools.files.tables import Table

    rows = np.flatnonzero(noisy["candidate"] == 1)
    errors: list[str | None] = [None] * len(noisy)
    scores = {
        target: _scores(noisy, rows, column, profiles, items, provider, errors)
        for column, target in (("item", "score"), ("negative", "negative_score"))
        if column in noisy
    }
    failed = np.array([error is not None for error in errors], dtype=bool)
    for values in scores.values():  # one failed answer leaves the whole row without scores
        values[failed] = np.nan
    model = [provider.name if c == 1 else None for c in noisy["candidate"]]
    columns = {**noisy.columns, **scores, "error": errors, "model": model}
    return Table("judged", columns, noisy.users, noisy.items, extra=noisy.extra, source=noisy.source)


def _scores(
    noisy: Table,
    rows: NDArray[np.int64],
    column: str,
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    provider: Provider,
    errors: list[str | None],
) -> NDArray[np.float64]:
    """Scores of (user, column's item) for some rows, NaN elsewhere; failures are told in ``errors``."""
    import numpy as np

    from llmhd_tools.llm.provider import Score

    users = [str(name) for name in noisy.users.take(noisy["user"][rows])]
    names = [str(name) for name in noisy.items.take(noisy[column][rows])]
    askable = []
    for row, user, name in zip(rows.tolist(), users, names, strict=True):
        if not profiles.get(user):
            errors[row] = errors[row] or f"user '{user}' has no profile"
        elif not items.get(name):
            errors[row] = errors[row] or f"item '{name}' has no text"
        else:
            askable.append((row, Score(profiles[user], items[name])))
    values = np.full(len(noisy), np.nan)
    for (row, _), answer in zip(askable, provider.answer(request for _, request in askable), strict=True):
        if answer.error is None:
            values[row] = answer.value
        else:
            errors[row] = errors[row] or answer.error
    return values
