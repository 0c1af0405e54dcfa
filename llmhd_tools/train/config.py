"""What fixes a training run; kept in the model, so that every later epoch uses the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Config:
    """Backbone, objective and optimiser of one run. ``batch`` counts triples (bpr) or labelled rows (bce)."""

    backbone: str = "lightgcn"
    loss: str = "bpr"
    dim: int = 64
    layers: int = 3
    batch: int = 1024
    lr: float = 0.005
    reg: float = 1e-5
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, as kept in a model's meta."""
        return asdict(self)
