"""DCF, double correction (He et al. 2024; card §3.6): drop what keeps a high damped loss, relabel the worst of it.

Kept per interaction, as in the paper (the released code keys its history by batch position): the damped losses of the
last epochs, how often the interaction was among the kept, and whether its label was flipped. A flipped interaction
trains as a negative from then on. It stays in the graph, and it is never drawn as somebody's sampled negative: the
samples of an epoch depend on the seed and the epoch alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import InputError
from llmhd_tools.train.batch import Batch, Weighed
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.denoisers import Denoiser
from llmhd_tools.train.denoisers.schedule import DropOptions, drop_rate, kept_count, lowest, ramp_of
from llmhd_tools.train.ops import losses as objective


@dataclass(frozen=True)
class DCFOptions(DropOptions):
    """DCF's own settings."""

    relabel: float = option(0.05, "share of what is left out that is relabelled, ρ", low=0, high=1)
    window: int = option(3, "epochs whose damped losses are averaged", low=1)
    bound: float = option(1e-4, "σ² of the confidence bound; it matters from about 0.1 on", low=0, high=1)
    decay: int = option(0, "epochs over which σ² falls to 0; 0: it does not", low=0)


class DCF(Denoiser):
    """Sample dropping by the lower confidence bound of the damped loss, and progressive label correction."""

    Options = DCFOptions
    undefined: ClassVar[dict[str, str]] = {
        "bpr": "it corrects the labels of single interactions, and a triple has none",
        "softmax": "a pair whose label it turned would have to be a negative, and those are the batch's items",
    }

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        self.options, self.graph, self.device = config.pick(DCFOptions), graph, device
        self.ramp = ramp_of(self.options, config, edges)
        self.keys = torch.from_numpy(graph.keys).to(device)
        size = len(graph)  # an interaction's number is its rank among the graph's sorted keys
        self.history = torch.zeros(size, self.options.window, device=device)
        self.seen = torch.zeros(size, dtype=torch.int64, device=device)
        self.kept = torch.zeros(size, dtype=torch.int64, device=device)
        self.flipped = torch.zeros(size, dtype=torch.bool, device=device)

    def weigh(self, batch: Batch, logit: Tensor, losses: Tensor) -> Weighed:
        """Mean BCE over the kept and the relabelled rows, the relabelled with their new label 0."""
        o = self.options
        assert batch.label is not None
        rows = torch.nonzero(batch.label == 1).squeeze(1)
        ids = self._ids(batch.nodes[:, rows])
        label = batch.label.clone()
        label[rows[self.flipped[ids]]] = 0.0
        current = objective.bce(logit.detach(), label)
        bound = self._bound(ids, damped(current[rows] * label[rows]))
        key = torch.full_like(label, -1.0)  # negatives leave last, also behind positives whose bound is 0
        key[rows] = torch.where(self.flipped[ids], -1.0, bound)
        rate = drop_rate(batch.step, o.max_drop, self.ramp, o.gamma)
        weight = lowest(key, kept_count(rate, len(batch)))
        self.kept[ids] += weight[rows].to(torch.int64)
        wrong = (lowest(key, kept_count(o.relabel * rate, len(batch))) == 0) & (key >= 0) & (weight == 0)
        label[wrong] = 0.0
        weight[wrong] = 1.0
        self.flipped[ids] |= wrong[rows]
        return Weighed(objective.bce(logit, label), weight, trust=weight * (label == batch.label))

    def _bound(self, ids: Tensor, value: Tensor) -> Tensor:
        """Lower bounds of the mean damped loss, (p,), after ``value`` joined the histories."""
        self.history[ids, self.seen[ids] % self.options.window] = value
        self.seen[ids] += 1
        seen = self.seen[ids].to(torch.float32)
        mean = self.history[ids].sum(1) / seen.clamp(max=self.options.window)
        return lower_bound(mean, seen, self.kept[ids] + 2.0, self._variance(seen))

    def _variance(self, seen: Tensor) -> Tensor:
        if not self.options.decay:
            return torch.full_like(seen, self.options.bound)
        return self.options.bound * (1.0 - (seen - 1.0) / self.options.decay).clamp(min=0.0)

    def _ids(self, nodes: Tensor) -> Tensor:
        """The numbers of some interactions, (p,). Raises InputError for one that is not in the graph."""
        wanted = nodes[0].to(torch.int64) * self.graph.n_items + (nodes[1].to(torch.int64) - self.graph.n_users)
        ids = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        if not torch.equal(self.keys[ids], wanted):
            raise InputError("the samples hold a positive that is no training interaction; DCF has no history of it")
        return ids

    def state(self) -> dict[str, np.ndarray]:
        """Histories and labels by interaction."""
        names = ("history", "seen", "kept", "flipped")
        return {name: np.array(getattr(self, name).cpu().numpy()) for name in names}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up histories and labels. Raises InputError where they are those of other interactions."""
        for name, array in self.state().items():
            if name not in arrays or arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
                raise InputError(f"the model's denoiser.{name} is missing or of another size")
            setattr(self, name, torch.tensor(arrays[name], device=self.device))


def damped(loss: Tensor) -> Tensor:
    """φ(ℓ) = log(1 + ℓ + ℓ²/2), which grows ever more slowly."""
    return torch.log1p(loss + loss * loss / 2)


def lower_bound(mean: Tensor, seen: Tensor, kept: Tensor, variance: Tensor) -> Tensor:
    """max(0, μ - σ²(s + σ² ln(2s)/s²) / (n - σ²)), s epochs seen, n = 2 + epochs kept."""
    slack = variance * (seen + variance * torch.log(2 * seen) / seen**2) / (kept - variance)
    return (mean - slack).clamp(min=0.0)
