"""k-means by Lloyd's rule, Euclidean and seeded (for NCL, card §2.4)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BLOCK = 1024  # points whose distances to all centres are held at once


def kmeans(points: Tensor, clusters: int, rng: np.random.Generator, rounds: int = 25) -> tuple[Tensor, Tensor]:
    """Centres (k, d) and the nearest centre of each point (n,) int64; k is at most n.

    Starts at k distinct points. A centre that loses all its points moves to the point farthest from its own centre.
    """
    k = min(clusters, len(points))
    start = torch.from_numpy(rng.permutation(len(points))[:k]).to(points.device)
    centres = points[start].clone()
    cluster, distance = nearest(points, centres)
    for _ in range(rounds):
        centres = _moved(points, centres, cluster, distance)
        before = cluster
        cluster, distance = nearest(points, centres)
        if torch.equal(cluster, before):
            break
    return centres, cluster


def nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each point (n,) and its squared distance (n,)."""
    offset = (centres * centres).sum(1)
    best, which = points.new_empty(len(points)), torch.empty(len(points), dtype=torch.int64, device=points.device)
    for start in range(0, len(points), BLOCK):
        part = slice(start, start + BLOCK)
        torch.min(torch.addmm(offset, points[part], centres.T, alpha=-2.0), 1, out=(best[part], which[part]))
    return which, (best + (points * points).sum(1)).clamp(min=0.0)


def _moved(points: Tensor, centres: Tensor, cluster: Tensor, distance: Tensor) -> Tensor:
    """The mean of each cluster's points; empty clusters take the worst-served points."""
    count = torch.bincount(cluster, minlength=len(centres))
    total = torch.zeros_like(centres).index_add_(0, cluster, points)
    moved = total / count.clamp(min=1)[:, None]
    empty = torch.nonzero(count == 0).squeeze(1)
    if len(empty):
        worst = torch.argsort(distance, descending=True, stable=True)[: len(empty)]
        moved[empty] = points[worst]
    return moved
