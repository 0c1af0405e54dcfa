"""Samplers of negatives: one file each, and a line each in ``registry.py``. NumPy only: they run between epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.core.arrays import Codes, Embeddings
    from llmhd_tools.core.graph import Graph
    from llmhd_tools.train.config import Config


class Sampler(Protocol):
    """How the negatives of an epoch are chosen among the items that a user has not touched.

    Embeddings z are those that the epoch before left; before the first epoch there are none, so it is drawn uniformly.
    ``graph`` holds the pairs that are no negatives. The methods' own bodies do nothing; override those that are needed.
    """

    Options: ClassVar[type]
    scored: ClassVar[bool] = True  # whether it looks at embeddings
    texts: ClassVar[bool] = False  # whether it looks at text vectors

    def __init__(self, config: Config, graph: Graph, vectors: Embeddings | None) -> None: ...

    def end_epoch(self, graph: Graph, epoch: int, z: Embeddings) -> None:
        """Take note of what a finished epoch left; draw from (seed, epoch) alone."""

    def draw(self, graph: Graph, user: Codes, rng: np.random.Generator, z: Embeddings) -> Codes:
        """A negative for each of these users, none of it in ``graph``, (n,) int32."""

    def state(self) -> dict[str, NDArray[np.int32]]:
        """What it must remember from epoch to epoch, by name."""
        return {}

    def restore(self, arrays: dict[str, NDArray[np.int32]]) -> None:
        """Take up what ``state`` gave."""


def build(config: Config, graph: Graph, vectors: Embeddings | None) -> Sampler:
    """The sampler that ``config`` names. Raises UsageError where it wants ``vectors`` and there are none, or the reverse."""
    from llmhd_tools.train.methods import load

    kind: type[Sampler] = load("negatives", config.negatives)
    if kind.texts and vectors is None:
        raise UsageError(f"`negatives` {config.negatives} compares texts; give aligned vectors with `aligned`")
    if vectors is not None and not kind.texts:
        raise UsageError(f"`negatives` {config.negatives} looks at no texts; leave out `aligned`")
    return kind(config, graph, vectors)
