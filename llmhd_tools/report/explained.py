"""What a run knows of a user or a pair, for a terminal: tables, and texts with their changes marked."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence

from llmhd_tools.files.jsonl import Record
from llmhd_tools.notes import many, visible
from llmhd_tools.report.terminal import table

_STYLES = {"=": "", "-": "red strike", "+": "bold green"}
_ABSENT = "-"
_PAIRS = 20  # of a user that are shown
_OF_PAIRS = (
    "noise_score",
    "is_noise",
    "prediction",
    "suspicion",
    "score",
    "fit",
    "dropped",
    "rescued",
    "flags",
    "noise",
)
_OF_EPOCHS = ("prediction", "loss", "loss_rank", "score", "negative_score", "flags", "verdict")
_LABELS = {
    "stands_in": "stands in",
    "noise": "known noise",
    "best_prediction": "prediction, best epoch",
    "noise_score": "noise score (a rank)",
    "fit": "mean score, kept epochs",
    "dropped": "dropped, kept epochs",
    "rescued": "rescued, kept epochs",
    "flags": "flags (false positive)",
}


def text_of(found: Record) -> str:
    """The text of a record of ``runs.explain``; coloured on a terminal only."""
    told = f"user {found['user']}; best epoch {found['best_epoch']}; denoise {found['denoise']}\n"
    parts = [told, *(_of_pair(found["pair"]) if "pair" in found else _of_user(found))]
    parts += [*_of_profiles(found.get("profiles", []))]
    for prompt in found.get("prompts", [])[-1:]:
        parts.append(f"the question, with the profile after epoch {prompt['after_epoch']}\n")
        parts += [f"=== {message['role']}\n{message['content']}\n" for message in prompt["messages"]]
    return "\n".join(parts)


def _of_user(found: Record) -> Iterator[str]:
    pairs = found["pairs"]
    few = f", the {_PAIRS} that look most like noise" if len(pairs) > _PAIRS else ""
    yield f"{many(found['rows'], 'training row')}{few}\n"
    shown = pairs[:_PAIRS]
    names = ["item", *(["title"] if any("title" in pair for pair in shown) else [])]
    names += [name for name in _OF_PAIRS if any(name in pair for pair in shown)]
    yield _table(names, ([pair.get(name) for name in names] for pair in shown), ("title",))


def _of_pair(pair: Record) -> Iterator[str]:
    title = f": {pair['title']}" if "title" in pair else ""
    yield f"item {pair['item']}{title}\n"
    ranks = {"rank", "of_items", "rank_among_own", "of_own", "best_prediction", "stands_in"}
    nested = {"item", "title", "history", "like", "cleaned", "relation"}
    facts: list[tuple[str, object]] = [("stands in", pair["stands_in"] or "neither train, valid nor test")]
    facts += [(_LABELS.get(name, name), value) for name, value in pair.items() if name not in ranks | nested]
    facts += [
        (_LABELS["best_prediction"], pair["best_prediction"]),
        ("rank among all items", f"{pair['rank']:,} of {pair['of_items']:,}"),
        ("rank among the user's own", f"{pair['rank_among_own']:,} of {pair['of_own']:,}"),
    ]
    if cleaned := pair.get("cleaned"):
        line = cleaned.get("least_suspicion_cut")
        told = f"{cleaned['share']:.1%} after epoch {cleaned['after_epoch']}"
        facts.append(("cut from the graph", told if line is None else f"{told}, from suspicion {line:.3f}"))
    facts += [(f"relation: {name}", value) for name, value in pair.get("relation", {}).items()]
    yield _table(["", "value"], facts, ("value",))
    yield from _of_history(pair["history"])
    yield from _of_like(pair["like"])


def _of_history(history: Sequence[Record]) -> Iterator[str]:
    names = [name for name in _OF_EPOCHS if any(name in one for one in history)]
    rows = ([f"{one['epoch']}{'*' * ('best' in one)}", *(one.get(name) for name in names)] for one in history)
    yield "epochs that are kept (* the best)\n"
    yield _table(["epoch", *names], rows, ("verdict",))
    for one in history:
        if "why" in one:
            against = f", sampled against {one['against']}" if "against" in one else ""
            against = f", against {one['negative']}" if "negative" in one and not against else against
            yield f"epoch {one['epoch']}{against}: {one['verdict']}. {one['why']}\n"


def _of_like(like: Record) -> Iterator[str]:
    yield f"nearest by the model's vectors (a likeness, no cause); {many(like['touched_by'], 'other user')} touched it\n"
    rows = [[one["item"], one.get("title"), one["likeness"]] for one in like["own_items"]]
    rows += [[one["user"], "(user)", one["likeness"]] for one in like["users"]]
    yield _table(["nearest", "what", "likeness"], rows, ("what",))


def _of_profiles(profiles: Sequence[Record]) -> Iterator[str]:
    for one in profiles:
        version = f", version {one['version']}" if "version" in one else ""
        when = f"after epoch {one['after_epoch']}" if one["after_epoch"] else "at the start"
        yield f"profile {when}{version}\n"
        yield _marked(one.get("changes") or [["=", one["profile"]]])


def _marked(changes: Sequence[Sequence[str]]) -> str:
    """A text with what is gone and what is new: in colours on a terminal, else in brackets."""
    from rich.console import Console
    from rich.text import Text

    out, shown = io.StringIO(), sys.stdout is not None and sys.stdout.isatty()
    text = Text()
    for mark, words in changes:
        told = words if shown or mark == "=" else f"[{mark}{words}{mark}]"
        text.append(visible(told), _STYLES[mark]).append(" ")
    Console(file=out, force_terminal=shown, width=None if shown else 100).print(text)
    return out.getvalue()


def _table(
    names: Sequence[str], rows: Iterator[Sequence[object]] | Sequence[Sequence[object]], words: Sequence[str] = ()
) -> str:
    cells = ([(_cell(value), "") for value in row] for row in rows)
    return table(names, cells, words, fold=words).strip("\n") + "\n"


def _cell(value: object) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
