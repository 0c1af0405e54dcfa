"""Training on one device: epochs of samples, kept or dropped, and what a finished epoch leaves for the next stage."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import LlmhdError, UsageError
from llmhd_tools.train import backbones, denoisers, objectives
from llmhd_tools.train.batch import Batch, Weighed
from llmhd_tools.train.config import Config
from llmhd_tools.train.ops import losses
from llmhd_tools.train.ops.adam import Adam
from llmhd_tools.train.ops.captured import StaticStep, Step
from llmhd_tools.train.state import State, Trust

CHECKED_STEPS = 32  # at a time; each check waits for the device
_LOSSES = 4096  # samples whose losses are computed at a time: their rows stay in the cache

# Asked in a step with the batch's number and its losses (b,): which of its samples to keep, (b,)
Judge = Callable[[int, NDArray[np.float32]], NDArray[np.bool_]]


class Diverged(LlmhdError):
    """The loss, or a score, is no longer finite, at a step of an epoch (from 1)."""

    exit_code = 1

    def __init__(self, what: str, epoch: int, step: int) -> None:
        super().__init__(f"{what} at epoch {epoch}, step {step}; nothing was written; lower `lr`")


def check_finite(values: Tensor, epoch: int, step: int) -> None:
    """Raise Diverged where one of an epoch's losses so far, (n,), is not finite; ``step`` is T of the first."""
    finite = torch.isfinite(values)
    if not finite.all():
        raise Diverged("the loss is not finite", epoch, step + int((~finite).int().argmax()))


class Trainer:
    """One run's parameters on a device.

    ``graph`` is all that was observed, ``edges`` what the backbone propagates on (None: the graph). A new trainer of the
    old one's state may have other edges. ``vectors`` (items, width) are of texts, for the backbones that look at them.
    ``weights`` say how much each pair of the graph counts in the loss, (n,), over their mean; any other row counts 1.
    """

    def __init__(
        self,
        config: Config,
        graph: Graph,
        device: torch.device,
        state: State | None = None,
        edges: Graph | None = None,
        vectors: NDArray[np.float32] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.config, self.graph, self.device = config, graph, device
        self.edges = graph if edges is None else edges
        self.denoiser = denoisers.build(config, graph, device, self.edges)
        self.backbone = backbones.build(config, self.edges, device, vectors)
        self.objective = objectives.build(config, graph, device)
        self.weights = None if weights is None else weights / weights.mean()
        if weights is not None and type(self.denoiser).weigh is not denoisers.Denoiser.weigh:
            told = f"`denoise` {config.denoise} weighs the pairs, and they have weights of their own"
            raise UsageError(f"{told}; leave it out, or the column `weight`")
        self.epoch, self.step = (state.epoch, state.step) if state else (0, 0)
        values = state.params if state else self.backbone.initial(generator(config.seed, 0, "init"))
        self._captured: StaticStep | None = None
        self._trust: list[Tensor] = []
        self.params = {name: torch.tensor(value, device=device, requires_grad=True) for name, value in values.items()}
        first, second = (self._on_device(state.first), self._on_device(state.second)) if state else (None, None)
        self.adam = Adam(list(self.params.values()), config.lr, first, second, self.step)
        if state and (state.denoiser or self.denoiser.state()):
            self.denoiser.restore(state.denoiser)

    def state(self) -> State:
        """The state now, on the host."""
        params, first, second = (
            {name: _host(tensor) for name, tensor in zip(self.params, tensors, strict=True)}
            for tensors in (self.params.values(), self.adam.first, self.adam.second)
        )
        return State(params, first, second, self.epoch, self.step, self.denoiser.state())

    def _on_device(self, moments: dict[str, NDArray[np.float32]]) -> list[Tensor]:
        return [torch.tensor(moments[name], device=self.device) for name in self.params]

    def train(self, samples: Samples, keep: NDArray[np.bool_] | Judge | None = None) -> float:
        """One epoch over ``samples``; rows where ``keep`` is false count for the regulariser only (Eq. 24).

        A judge in the place of ``keep`` is asked in each step, about the losses of that step itself (with a backbone's
        dropout, if it has one). Returns the mean batch loss. Raises Diverged where a loss, or a score after the last
        step, is not finite.
        """
        bounds = samples.bounds().tolist()
        nodes, label = self._nodes(samples), self._label(samples)
        own = self._own_weights(samples)
        judge = keep if callable(keep) else None
        weight = own if keep is None or callable(keep) else self._weight(keep) * (1.0 if own is None else own)
        values = torch.zeros(len(bounds) - 1, device=self.device)
        step = self._one_step if judge else self._stepper(bounds[1])
        self._trust.clear()
        self.denoiser.start_epoch(self.epoch + 1)
        left = self.denoiser.edges(self.params)
        self.backbone.start_epoch(self.params, self.epoch + 1, self.edges if left is None else left)
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            part = slice(start, end)
            theirs = None if own is None else own[part]
            ask = functools.partial(self._judged, judge, number, theirs) if judge else None
            batch = Batch(nodes[:, part], None if label is None else label[part], self.step + number, ask)
            values[number] = step(batch, None if weight is None else weight[part])
            if number % CHECKED_STEPS == 0 or end == len(samples):  # each check waits for the device
                check_finite(values[: number + 1], self.epoch + 1, self.step)
        self.step += len(values)
        if not self.backbone.final(self.params).square().sum().isfinite():  # the last step's doing; bounds every score
            raise Diverged("the embeddings are too large", self.epoch + 1, self.step)
        self.epoch += 1
        return float(values.mean())

    def _weight(self, keep: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(keep.astype(np.float32)).to(self.device)

    def _own_weights(self, samples: Samples) -> Tensor | None:
        """How much each sample counts by its pair's weight, (n,)."""
        if self.weights is None:
            return None
        at = self.graph.find(samples.user, samples.item)
        found = np.where(at >= 0, self.weights[at], 1.0)
        return torch.from_numpy(found.astype(np.float32)).to(self.device)

    def _judged(self, judge: Judge, number: int, own: Tensor | None, each: Tensor) -> Tensor:
        keep = self._weight(judge(number, _host(each)))
        return keep if own is None else keep * own

    def _one_step(self, batch: Batch, keep: Tensor | None) -> Tensor:
        """Move the parameters by one batch; its loss, a scalar."""
        self.adam.zero_grad()
        loss = self._loss(batch, keep)
        loss.backward()
        self.adam.step()
        return loss.detach()

    def _stepper(self, size: int) -> Step:
        """``_one_step``, on a GPU captured for batches of ``size`` where the methods' steps are static."""
        static = self.backbone.static and self.denoiser.static and self.objective.static
        if self.device.type != "cuda" or not static:
            return self._one_step
        if self._captured is None or self._captured.size != size:
            self._captured = StaticStep(self._one_step, size)
        return self._captured

    def _nodes(self, samples: Samples) -> Tensor:
        """(3, n) or (2, n) node numbers of users, items and negatives; items are behind the users."""
        columns = [samples.user, samples.item + np.int32(self.graph.n_users)]
        if samples.negative is not None:
            columns.append(samples.negative + np.int32(self.graph.n_users))
        return torch.from_numpy(np.stack(columns).astype(np.int64)).to(self.device)

    def _label(self, samples: Samples) -> Tensor | None:
        return None if samples.label is None else torch.from_numpy(samples.label.astype(np.float32)).to(self.device)

    def _loss(self, batch: Batch, keep: Tensor | None) -> Tensor:
        """The batch's loss, a scalar; ``keep`` (b,) of 0 and 1, given or the judge's, takes the place of a denoiser."""
        rows = self.backbone.forward(self.params, batch, self.denoiser.operator(self.params))
        logit, each = self.objective.score(rows.final, batch)
        if batch.judge:
            keep = batch.judge(each)
        if keep is not None:
            weighed = Weighed(each, keep)
        else:
            weighed = self.denoiser.weigh(batch, logit, each)
            if weighed.weight is not None:
                self._trust.append(weighed.weight if weighed.trust is None else weighed.trust)
        loss = weighed.reduce(self.backbone.reduction)
        loss = loss + self.config.reg * losses.row_norms(rows.regularised, len(batch))
        for term in (rows.extra, self.denoiser.extra(self.backbone, self.params, batch, rows)):
            loss = loss if term is None else loss + term
        return loss

    def trust(self, samples: Samples) -> Trust | None:
        """How far the denoiser believed the observed pairs in the last epoch, over ``samples``; None: it does not say.

        Users, items and weights: of the samples that are no negatives in their step, or of the graph's edges after it.
        """
        if edges := self.denoiser.trust(self.params):
            return edges[0].user, edges[0].item, _host(edges[1])
        if not self._trust:
            return None
        observed = slice(None) if samples.label is None else samples.label == 1
        return samples.user[observed], samples.item[observed], _host(torch.cat(self._trust))[observed]

    def embeddings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Final embeddings z of users (n, d) and of items (m, d)."""
        final = _host(self._final())
        return final[: self.graph.n_users], final[self.graph.n_users :]

    def _final(self) -> Tensor:
        with torch.no_grad():
            return self.backbone.final(self.params, self.denoiser.operator(self.params))

    def losses(self, samples: Samples) -> NDArray[np.float32]:
        """The loss of each sample under the model as it is now, (n,) float32."""
        with torch.no_grad():
            final, nodes, label = self._final(), self._nodes(samples), self._label(samples)
            found = torch.empty(len(samples), device=self.device)
            whole = np.arange(0, len(samples) + _LOSSES, _LOSSES) if self.objective.apart else samples.bounds()
            for start, end in itertools.pairwise(whole.tolist()):
                part = slice(start, end)
                batch = Batch(nodes[:, part], None if label is None else label[part], self.step)
                found[part] = self.objective.score(final[batch.nodes.reshape(-1)], batch)[1]
            return _host(found)


def _host(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().copy()
    return array
