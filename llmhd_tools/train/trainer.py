"""Training on one device: epochs of samples, kept or dropped, and what a finished epoch leaves for the next stage."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import DeviceError, LlmhdError, UsageError
from llmhd_tools.train import losses
from llmhd_tools.train.backbones import build
from llmhd_tools.train.config import Config
from llmhd_tools.train.threads import wide

_CHECKED_STEPS = 32


@dataclass
class State:
    """All that training needs to go on: parameters and Adam's moments by name (float32), finished epochs and steps (T)."""

    params: dict[str, NDArray[np.float32]]
    first: dict[str, NDArray[np.float32]]
    second: dict[str, NDArray[np.float32]]
    epoch: int = 0
    step: int = 0


class Diverged(LlmhdError):
    """The loss, or a score, is no longer finite."""

    exit_code = 1


def pick_device(name: str) -> torch.device:
    """The device to train on; ``auto`` is a GPU where there is one. Raises UsageError or DeviceError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name} is unknown; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("no CUDA device is at hand; use --device cpu")
    return device


class Trainer:
    """One run's parameters on a device."""

    def __init__(self, config: Config, graph: Graph, device: torch.device, state: State | None = None) -> None:
        self.config, self.graph, self.device = config, graph, device
        self.backbone = build(config, graph, device)
        self.epoch, self.step = (state.epoch, state.step) if state else (0, 0)
        values = state.params if state else self.backbone.initial(generator(config.seed, 0, "init"))
        self.params = {name: torch.tensor(value, device=device, requires_grad=True) for name, value in values.items()}
        for param in self.params.values():
            param.grad = torch.zeros_like(param)  # kept, so that gradients are added in place
        self.adam = torch.optim.Adam(self.params.values(), lr=config.lr, fused=True)
        if state:
            for name, param in self.params.items():
                self.adam.state[param] = {
                    "step": torch.tensor(float(state.step), device=device if device.type == "cuda" else None),
                    "exp_avg": torch.tensor(state.first[name], device=device),
                    "exp_avg_sq": torch.tensor(state.second[name], device=device),
                }

    def state(self) -> State:
        """The state now, on the host."""

        def moments(name: str) -> dict[str, NDArray[np.float32]]:
            kept = self.adam.state
            return {
                key: _host(kept[p][name]) if p in kept else np.zeros(p.shape, np.float32)
                for key, p in self.params.items()
            }

        params = {name: _host(param) for name, param in self.params.items()}
        return State(params, moments("exp_avg"), moments("exp_avg_sq"), self.epoch, self.step)

    def train(self, samples: Samples, keep: NDArray[np.bool_] | None = None) -> float:
        """One epoch over ``samples``; rows where ``keep`` is false count for the regulariser only (Eq. 24).

        Returns the mean batch loss. Raises Diverged where a loss, or a score after the last step, is not finite.
        """
        bounds = samples.bounds().tolist()
        rows = self._nodes(samples)
        label = None if samples.label is None else torch.from_numpy(samples.label.astype(np.float32)).to(self.device)
        weight = None if keep is None else torch.from_numpy(keep.astype(np.float32)).to(self.device)
        values = torch.zeros(len(bounds) - 1, device=self.device)
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            part = slice(start, end)
            self.adam.zero_grad(set_to_none=False)
            loss = self._loss(
                rows[:, part], None if label is None else label[part], None if weight is None else weight[part]
            )
            loss.backward()
            with wide():
                self.adam.step()
            values[number] = loss.detach()
            if number % _CHECKED_STEPS == 0 or end == len(samples):  # each check waits for the device
                self._check_finite(values[: number + 1])
        self.step += len(values)
        if not self.backbone.final(self.params).square().sum().isfinite():  # the last step's doing; bounds every score
            raise self._diverged("the embeddings are too large", self.step)
        self.epoch += 1
        return float(values.mean())

    def _check_finite(self, values: Tensor) -> None:
        finite = torch.isfinite(values)
        if not finite.all():
            raise self._diverged("the loss is not finite", self.step + int((~finite).int().argmax()))

    def _diverged(self, what: str, step: int) -> Diverged:
        return Diverged(f"{what} at epoch {self.epoch + 1}, step {step}; nothing was written; lower --lr")

    def _nodes(self, samples: Samples) -> Tensor:
        """(3, n) or (2, n) node numbers of users, items and negatives; items are behind the users."""
        columns = [samples.user, samples.item + np.int32(self.graph.n_users)]
        if samples.negative is not None:
            columns.append(samples.negative + np.int32(self.graph.n_users))
        return torch.from_numpy(np.stack(columns).astype(np.int64)).to(self.device)

    def _loss(self, nodes: Tensor, label: Tensor | None, weight: Tensor | None) -> Tensor:
        size = nodes.shape[1]
        ego, final = self.backbone.rows(self.params, nodes.reshape(-1))
        user, item, *negative = final.split(size)
        positive = (user * item).sum(1)
        if label is None:
            each = losses.bpr(positive, (user * negative[0]).sum(1))
        else:
            each = losses.bce(positive, label)
        kept = each.mean() if weight is None else (each * weight).sum() / weight.sum().clamp(min=1)
        return kept + self.config.reg * losses.embedding_norms(*ego.split(size))

    def embeddings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Final embeddings z of users (n, d) and of items (m, d)."""
        final = _host(self.backbone.final(self.params))
        return final[: self.graph.n_users], final[self.graph.n_users :]

    def losses(self, samples: Samples) -> NDArray[np.float32]:
        """The loss of each sample under the model as it is now, (n,) float32."""
        with torch.no_grad():
            final, nodes = self.backbone.final(self.params), self._nodes(samples)
            logits = [(final[nodes[0]] * final[other]).sum(1) for other in nodes[1:]]
            if samples.label is None:
                return _host(losses.bpr(*logits))
            return _host(losses.bce(logits[0], torch.from_numpy(samples.label.astype(np.float32)).to(self.device)))


def _host(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().copy()
