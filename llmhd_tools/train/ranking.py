"""``core.metrics.hits_at`` on a device: the same answer, by torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core import metrics
from llmhd_tools.core.arrays import Counts
from llmhd_tools.core.metrics import ByUser, Hits
from llmhd_tools.core.rankers import Dot, Ranker
from llmhd_tools.core.ties import Ties

USERS_PER_BLOCK = 4096  # with 100k items their scores are 1.6 GB


def hits_at(
    ranker: Ranker,
    test: ByUser,
    exclude: Sequence[ByUser],
    k: int,
    device: torch.device,
    ties: Ties | None = None,
) -> tuple[NDArray[np.int64], Hits, Counts]:
    """As ``core.metrics.hits_at``: users' codes, their hits (users, k) and numbers of test items.

    Embeddings are ranked on ``device``, other rankers, which have no twin there, on the CPU.
    """
    if not isinstance(ranker, Dot):
        return metrics.hits_at(ranker, test, exclude, k, ties)
    ties = ties or Ties(range(len(ranker.users)), range(len(ranker.items)))
    relevant = np.diff(test.start)
    wanted = np.flatnonzero(relevant)
    hits = np.zeros((len(wanted), k), dtype=bool)
    left, right = (torch.tensor(table, device=device) for table in (ranker.users, ranker.items))
    for start in range(0, len(wanted), USERS_PER_BLOCK):
        block = wanted[start : start + USERS_PER_BLOCK]
        scores = left[torch.from_numpy(block).to(device)] @ right.T
        tested = torch.zeros_like(scores, dtype=torch.bool)
        tested[_pairs(test, block, len(right), device)] = True
        hidden = torch.zeros_like(tested)
        for pairs in exclude:
            hidden[_pairs(pairs, block, len(right), device)] = True
        scores.masked_fill_(hidden & ~tested, -torch.inf)
        best = scores.topk(min(k + 1, len(right)), dim=1)  # one more: whether equal scores go on behind the list
        top = best.indices[:, :k]
        hits[start : start + len(block), : top.shape[1]] = tested.gather(1, top).cpu().numpy()
        equal = ((best.values[:, 1:] == best.values[:, :-1]) & (best.values[:, 1:] > -torch.inf)).any(1)
        for row in equal.nonzero()[:, 0].tolist():
            line, marks = scores[row].cpu().numpy(), tested[row].cpu().numpy()
            hits[start + row, : top.shape[1]] = marks[ties.ranked(int(block[row]), line, marks, top.shape[1])]
    return wanted, hits, relevant[wanted]


def _pairs(pairs: ByUser, block: NDArray[np.int64], n_items: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions in the block and items, of the pairs of its users; an item beyond the embeddings is none."""
    row, item = pairs.pairs(block)
    known = item < n_items
    return torch.from_numpy(row[known]).to(device), torch.from_numpy(item[known].astype(np.int64)).to(device)
