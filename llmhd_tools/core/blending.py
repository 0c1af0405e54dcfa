"""The weights of a blend, chosen on held-out interactions: a coordinate search over a small grid; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
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
) -> tuple[list[Tried], list[Tried]]:
    """What each part of ``blend`` reaches alone; and better and better weights, the best last.

    It begins with all weights 1, or with the best part alone where that is better. Part after part takes the weight of
    ``grid`` that makes the mean ``metric`` at ``k`` largest while the others keep theirs, until no part changes. The best
    part keeps its weight of 1: only their ratios count. A weight gives way only to a better one, of equal ones to the
    earlier in the grid. So no part alone is better than what is found.
    """
    known: dict[tuple[float, ...], float] = {}

    def tried(*weights: float) -> Tried:
        if weights not in known:
            _, hits, relevant = hits_at(replace(blend, weights=weights), held_out, exclude, k)
            known[weights] = float(METRICS[metric](hits, relevant).mean())
        return Tried(weights, known[weights])

    count = len(blend.parts)
    alone = [tried(*(float(part == other) for other in range(count))) for part in range(count)]
    anchor = alone.index(_best(alone))
    path = [_best([tried(*[1.0] * count), alone[anchor]])]
    moving = [part for part in range(count) if part != anchor]
    changed = True
    while changed:
        changed = False
        for part in moving:
            now = path[-1].weights
            found = _best([path[-1], *(tried(*now[:part], weight, *now[part + 1 :]) for weight in grid)])
            if found is not path[-1]:
                path.append(found)
                changed = True
    return alone, path


def _best(several: Sequence[Tried]) -> Tried:
    """Of equal ones the first."""
    return max(several, key=lambda one: one.value)
