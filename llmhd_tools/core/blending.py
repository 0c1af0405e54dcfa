"""The weights of a blend, chosen on held-out interactions: a coordinate search over a small grid; draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llmhd_tools.core.metrics import METRICS, ByUser, hits_at
from llmhd_tools.core.rankers import Blend

GRID = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Tried:
    """Weights of a blend's parts, and the metric that they reached on the held-out interactions."""

    weights: tuple[float, ...]
    value: float


def search(
    blend: Blend, held_out: ByUser, exclude: Sequence[ByUser], metric: str, k: int, grid: Sequence[float] = GRID
) -> Iterator[Tried]:
    """Better and better weights of ``blend``, from its own on, the best last.

    Part after part takes the weight of ``grid`` that makes the mean ``metric`` at ``k`` largest while the others keep
    theirs, until no part changes. The first part keeps its weight: only their ratios count. A weight gives way only to a
    better one, of equal ones to the earlier in the grid.
    """
    known: dict[tuple[float, ...], float] = {}

    def value(weights: tuple[float, ...]) -> float:
        if weights not in known:
            _, hits, relevant = hits_at(replace(blend, weights=weights), held_out, exclude, k)
            known[weights] = float(METRICS[metric](hits, relevant).mean())
        return known[weights]

    best = Tried(tuple(blend.weights), value(tuple(blend.weights)))
    yield best
    part, unchanged = 1, 1
    while unchanged < len(best.weights):
        others = [(*best.weights[:part], weight, *best.weights[part + 1 :]) for weight in grid]
        found = max((Tried(weights, value(weights)) for weights in others), key=lambda tried: tried.value)
        unchanged += 1
        if found.value > best.value:
            best, unchanged = found, 1
            yield best
        part = part % (len(best.weights) - 1) + 1
