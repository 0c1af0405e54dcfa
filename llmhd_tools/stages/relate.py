"""Questions about the pairs that a trained model finds doubtful, from two sides (LLMHNI, module 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from llmhd_tools.core.arrays import Codes
from llmhd_tools.core.disputed import disputed, favourites
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.files.columns import Column
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import ItemView, Provider, UserView
from llmhd_tools.settings import Relating, pick
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.texts import Texts, digest_of, texts_of

Question = tuple[int, int, str, "UserView | ItemView"]  # user's code, row, column that the answer belongs to, request
VIEWS = ("user_view", "item_view")


def relate(
    embeddings: Tensors,
    dataset: Dataset,
    profiles: Texts,
    items: Texts,
    provider: Provider,
    how: Relating | None = None,
    **choices: Any,
) -> Table:
    """The disputed pairs with ``user_view``, ``item_view``, ``verdict`` or ``error``, and ``model``; rows by user.

    Texts are by the id's text. The requests of a user follow each other, and among them those of one view, so that
    their prompts share a beginning. Raises InputError where a user or an item has no embedding.
    """
    how, profiles, items = pick(Relating, how, choices), texts_of(profiles), texts_of(items)
    z = embeddings.aligned(dataset.users, dataset.items)
    user, item, label = disputed(z, dataset.graph, how.lowest, how.highest)
    errors: list[str | None] = [None] * len(user)
    answers: dict[str, list[str | None]] = {view: [None] * len(user) for view in VIEWS}
    liked = favourites(z, dataset.graph)
    asked = list(_questions(dataset, profiles, items, liked, how.shown, user, item, errors))
    asked.sort(key=lambda ask: (ask[0], VIEWS.index(ask[2])))
    for (_, row, view, _request), answer in zip(asked, provider.answer(ask[3] for ask in asked), strict=True):
        if answer.error is None:
            answers[view][row] = str(answer.value)
        else:
            errors[row] = errors[row] or f"{view}: {answer.error}"
    verdicts: list[str | None] = []
    for error, *views in zip(errors, *answers.values(), strict=True):
        verdicts.append(None if error else "hard" if views == ["High", "High"] else "noisy")
    model: list[str | None] = [provider.name] * len(user)
    columns: dict[str, Column] = {"user": user, "item": item, "label": label, **answers, "verdict": verdicts}
    columns |= {"error": errors, "model": model}
    inputs: dict[str, str | list[str]] = {
        "embeddings": embeddings.digest(),
        "train": dataset.digest,
        "profiles": digest_of(profiles),
        "items": digest_of(items),
    }
    meta = {"made": made("relate", asdict(how) | {"llm": provider.name}, inputs)}
    return Table("relations", columns, dataset.users, dataset.items, meta)


def _questions(
    dataset: Dataset,
    profiles: Mapping[str, str],
    items: Mapping[str, str],
    liked: ByUser,
    shown: int,
    user: Codes,
    item: Codes,
    errors: list[str | None],
) -> Iterator[Question]:
    """Both questions about every pair that has the texts for them; what is missing is told in ``errors``.

    ``liked`` are each user's items, best first, of which the first ``shown`` others stand for the user.
    """
    texts = [items.get(str(name), "") for name in dataset.items.names]
    names = [str(name) for name in dataset.users.names]
    for row, (who, what) in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        own = liked.items[liked.start[who] : liked.start[who + 1]].tolist()
        best = tuple(texts[other] for other in own if other != what and texts[other])[:shown]
        profile = profiles.get(names[who])
        if not texts[what]:
            errors[row] = f"item '{dataset.items.names[what]}' has no text"
        elif not profile:
            errors[row] = f"user '{names[who]}' has no profile"
        elif not best:
            errors[row] = f"user '{names[who]}' has no other item with a text"
        else:
            yield who, row, "user_view", UserView(profile, texts[what])
            yield who, row, "item_view", ItemView(best, texts[what])
