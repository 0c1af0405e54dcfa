"""Denoisers that work inside a training step: one file each, and a line each in ``registry.py``.

(``loss`` and ``llmhd`` of ``run`` are stages before the step: they decide which samples it sees.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from llmhd_tools.core.graph import Graph
    from llmhd_tools.train.backbones import Backbone
    from llmhd_tools.train.batch import Batch, Params, Rows, Weighed
    from llmhd_tools.train.config import Config
    from llmhd_tools.train.ops.layers import Operator


class Denoiser(Protocol):
    """What is done about noise in a step. The methods' own bodies do nothing; override those that are needed.

    ``graph`` is all that was observed, ``edges`` what of it the backbone propagates on.
    """

    Options: ClassVar[type]
    undefined: ClassVar[dict[str, str]] = {}  # loss -> why there is no such method
    ids: ClassVar[bool] = False  # whether it looks at the backbone's own table of users and items
    static: ClassVar[bool] = False  # as a backbone's

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None: ...

    def start_epoch(self, epoch: int) -> None:
        """Make what belongs to one epoch, from (seed, epoch) and nothing else."""

    def weigh(self, batch: Batch, logit: Tensor, losses: Tensor) -> Weighed:
        """What becomes of the samples' losses (b,), given their logits, or the triples' score differences (b,)."""
        from llmhd_tools.train.batch import Weighed

        return Weighed(losses)

    def operator(self, params: Params) -> Operator | None:
        """What the backbone is to propagate with under these parameters; None: its own."""
        return None

    def edges(self, params: Params) -> Graph | None:
        """The edges left under these parameters, for the views of an epoch; None: all."""
        return None

    def trust(self, params: Params) -> tuple[Graph, Tensor] | None:
        """Edges and how far it believes them, (e,), where it weighs edges and not samples; None: it does not."""
        return None

    def extra(self, backbone: Backbone, params: Params, batch: Batch, rows: Rows) -> Tensor | None:
        """A term of its own of the batch's loss."""
        return None

    def state(self) -> dict[str, np.ndarray]:
        """What it must remember from epoch to epoch, by name."""
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up what ``state`` gave."""


def build(config: Config, graph: Graph, device: torch.device, edges: Graph | None = None) -> Denoiser:
    """The denoiser that ``config`` names, on ``device``; ``edges`` are all of the graph's where None.

    Raises UsageError where it is not defined for the loss.
    """
    from llmhd_tools.train.methods import check, load

    check(config)
    denoiser: Denoiser = load("denoise", config.denoise)(config, graph, device, graph if edges is None else edges)
    return denoiser
