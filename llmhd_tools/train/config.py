"""What fixes a training run; kept in the model, so that every later epoch uses the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

Declared = TypeVar("Declared")


@dataclass(frozen=True)
class Config:
    """Methods, objective and optimiser of one run. ``batch`` counts triples (bpr), labelled rows (bce) or pairs (softmax).

    ``options`` holds those of backbone, objective, denoiser and sampler of negatives by name; what is missing has its
    declared default.
    """

    backbone: str = "lightgcn"
    loss: str = "bpr"
    denoise: str = "none"
    negatives: str = "uniform"
    dim: int = 64
    layers: int = 3
    batch: int = 1024
    lr: float = 0.005
    reg: float = 1e-5
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, as kept in a model's meta."""
        return asdict(self)

    def pick(self, declared: type[Declared]) -> Declared:
        """The options that a method's ``Options`` declares, with this run's values."""
        names = {f.name for f in fields(declared)}  # type: ignore[arg-type]
        return declared(**{name: value for name, value in self.options.items() if name in names})


def option(default: Any, help: str, **limits: Any) -> Any:
    """A field of a method's ``Options``: default, a sentence of help, and ``low``, ``high`` or ``choices``."""
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class NoOptions:
    """For methods that have none of their own."""
