"""What any method, provider or importer must pass, ours and yours: each check raises AssertionError with what is wrong.

For a class of your own, in a module that can be imported: ``check_backbone(MyNet)``, and then
``llmhd run … --backbone my.module:MyNet``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import LEVELS, Answer, ItemView, Provider, Request, Revise, Score, Summarize, UserView
from llmhd_tools.settings import Machine
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.model import Model

USERS, ITEMS, TASTES = 40, 24, 4
_SMALL = {"dim": 8, "layers": 2, "batch": 32, "lr": 0.05, "seed": 3}


def small_dataset(seed: int = 0) -> Dataset:
    """Users of four tastes, who touch most items of theirs and few others; nobody touches all, every item is touched."""
    rng = generator(seed, 0, "testing")
    liked = np.arange(USERS)[:, None] % TASTES == np.arange(ITEMS)[None] % TASTES
    user, item = np.nonzero(rng.random((USERS, ITEMS)) < np.where(liked, 0.8, 0.1))
    graph = Graph.of(user.astype(np.int32), item.astype(np.int32), USERS, ITEMS)
    return Dataset(graph, Ids([f"u{n}" for n in range(USERS)]), Ids([f"i{n}" for n in range(ITEMS)]), "testing")


def check_backbone(backbone: type | str, vectors: Tensors | None = None, **choices: Any) -> None:
    """A class, or the name of one of ours: it trains, learns tastes, repeats itself, and goes on from its file.

    ``vectors`` are of the items' texts, for one that is made of them.
    """
    if vectors is not None:
        choices["vectors"] = vectors
    for loss in ("bpr", "bce"):
        _check_method("backbone", backbone, loss=loss, **choices)
    model, dataset = _open("backbone", backbone, **choices), small_dataset()
    for _ in range(15):
        z = model.train()
    scores = z.arrays["user"] @ z.arrays["item"].T
    seen = np.zeros(scores.shape, dtype=bool)
    seen[dataset.graph.user, dataset.graph.item] = True
    told = f"{backbone} puts what users touched no higher than the rest after 15 epochs; does its loss reach its parameters?"
    assert scores[seen].mean() > scores[~seen].mean(), told


def check_denoiser(denoiser: type | str, **choices: Any) -> None:
    """As ``check_backbone``, of what is done about noise inside the step, with each loss that it is defined for."""
    defined = 0
    for loss in ("bpr", "bce"):
        try:
            _check_method("denoise", denoiser, loss=loss, **choices)
            defined += 1
        except UsageError as error:
            if "is not defined for" not in str(error):
                raise
    assert defined, f"{denoiser} is defined for no loss"


def check_sampler(sampler: type | str, aligned: Tensors | None = None, **choices: Any) -> None:
    """As ``check_backbone``, of how negatives are sampled; none of them may be an item that the user has touched."""
    _check_method("negatives", sampler, aligned=aligned, **choices)
    model = _open("negatives", sampler, aligned=aligned, **choices)
    for _ in range(2):
        model.train()
        drawn = model.draw()
        taken = model.dataset.graph.has(drawn["user"], drawn["negative"])
        assert not taken.any(), f"{sampler} drew {int(taken.sum())} negatives that the user has touched"


def _check_method(kind: str, method: type | str, **choices: Any) -> None:
    """Finite embeddings of the right size; the same seed the same bytes; N epochs at once as one after the other."""
    whole, broken = _open(kind, method, **choices), _open(kind, method, **choices)
    for epoch in range(1, 4):
        z = whole.train()
        broken.train()
        for side, rows in (("user", USERS), ("item", ITEMS)):
            array = z.arrays[side]
            assert array.shape[0] == rows and array.ndim == 2, f"{method}: {side} embeddings are {array.shape}"
            assert np.isfinite(array).all(), f"{method}: {side} embeddings of epoch {epoch} are not finite"
        broken = _open(kind, method, start=broken.file(), **choices)
    for name, array in whole.file().arrays.items():
        there = broken.file().arrays.get(name)
        told = f"{method}: '{name}' differs where every epoch goes on from the file of the one before"
        assert there is not None and array.tobytes() == there.tobytes(), f"{told}; is all that it remembers in state()?"


def _open(kind: str, method: type | str, start: Tensors | None = None, **choices: Any) -> Model:
    name = method if isinstance(method, str) else f"{method.__module__}:{method.__qualname__}"
    more: dict[str, Any] = {key: choices.pop(key) for key in ("vectors", "aligned") if key in choices}
    return Model(small_dataset(), machine=Machine("cpu", 1), start=start, **more, **{**_SMALL, **choices, kind: name})


def check_provider(open_one: Callable[[], Provider]) -> None:
    """What ``open_one`` opens answers each request, in order and in the form that was asked for, and says who it is.

    Requests without a text get an error; the same request gets the same answer; requests are taken as they are needed.
    """
    texts = [f"A book about {word}, and nothing else." for word in ("bread", "kings", "ships", "murder", "gardens")]
    asked: list[Request] = [Summarize("u", tuple(texts[:2])), Score(texts[0], texts[1]), Score("", texts[1])]
    asked += [Revise(texts[0], (texts[1],), "false-positive"), UserView(texts[0], texts[2])]
    asked += [ItemView((texts[0],), texts[3]), Score(texts[2], "\u200b")]
    first, again = list(open_one().answer(asked)), list(open_one().answer(asked))
    assert len(first) == len(asked), f"{len(first)} answers to {len(asked)} requests"
    assert first == again, "the same requests got other answers the second time"
    for request, answer in zip(asked, first, strict=True):
        assert isinstance(answer, Answer), f"{answer!r} is no Answer"
        _check_answer(request, answer)
    assert open_one().name, "it does not say who it is"
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        for taken in itertools.count(1):
            yield Score(texts[0], texts[taken % len(texts)])

    list(itertools.islice(open_one().answer(endless()), 3))
    assert taken < 100_000, "it took the whole stream of requests before it answered"


def _check_answer(request: Request, answer: Answer) -> None:
    if isinstance(request, Score) and not (request.profile and request.item.strip("\u200b")):
        assert answer.error, f"a request without a text got {answer.value!r}"
    elif answer.error is None:
        value = answer.value
        if isinstance(request, Score):
            assert isinstance(value, int | float) and 1 <= value <= 10, f"a score is {value!r}, not 1..10"
        elif isinstance(request, UserView | ItemView):
            assert value in LEVELS, f"a view is {value!r}, not one of {', '.join(LEVELS)}"
        else:
            assert isinstance(value, str) and value.strip(), f"a text is {value!r}"


def check_importer(read: Callable[..., Any], path: str | Path, **options: Any) -> None:
    """``read(path)`` gives interactions with an id on both sides of each row, twice the same; texts have ids and texts."""
    one, other = read(Path(path), **options), read(Path(path), **options)
    rows = one.interactions
    assert len(rows), "no interactions were read"
    assert len(rows.user) == len(rows.item), "the columns differ in length"
    assert list(rows.user) == list(other.interactions.user), "it reads other rows the second time"
    for side, texts in (("item", one.items), ("user", one.profiles)):
        ids = [str(record[side]) for record in texts]
        assert len(set(ids)) == len(ids), f"a text of one {side} stands twice"
        assert all(record["profile"].strip() for record in texts), f"a {side}'s text is empty"
