"""Objectives (``--loss``): one file each, and a line each in ``registry.py``. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from llmhd_tools.core.graph import Graph
    from llmhd_tools.train.batch import Batch
    from llmhd_tools.train.config import Config


class Objective(Protocol):
    """What is wanted of the samples' z. ``graph`` is all that was observed, whatever the backbone propagates on."""

    Options: ClassVar[type]
    apart: ClassVar[bool] = True  # a sample's loss is made of its own rows, not of those of its batch
    static: ClassVar[bool] = True  # as a backbone's

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None: ...

    def score(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """(b,) logits, or differences of a triple's logits, and (b,) losses, differentiable in z of the batch's nodes.

        ``final`` (3b or 2b, width) are their rows in the order of ``batch.nodes``, flattened.
        """


def build(config: Config, graph: Graph, device: torch.device) -> Objective:
    """The objective that ``config`` names, on ``device``. Raises UsageError for an unknown one."""
    from llmhd_tools.train.methods import load

    objective: Objective = load("loss", config.loss)(config, graph, device)
    return objective
