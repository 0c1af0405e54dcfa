"""Adam over whole tables, by torch's fused functional form.

``torch.optim.Adam`` does the same, bit for bit, but making one imports torch's compiler: a second of every process,
which is as long as an epoch of a small dataset takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from llmhd_tools.train.ops.threads import wide


class Adam:
    """Adam's moments of some parameters (of their shapes, on their device), zero at first or as given.

    Every parameter gets a ``.grad`` that stays the same tensor, so that gradients can be added to it in place.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float,
        first: Sequence[Tensor] | None = None,
        second: Sequence[Tensor] | None = None,
        steps: int = 0,
    ) -> None:
        self.params, self.lr = list(params), lr
        self.first = [torch.zeros_like(p, requires_grad=False) for p in params] if first is None else list(first)
        self.second = [torch.zeros_like(p, requires_grad=False) for p in params] if second is None else list(second)
        self._steps = [torch.tensor(float(steps), device=p.device) for p in params]
        for param in self.params:
            param.grad = torch.zeros_like(param)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for param in self.params:
            assert param.grad is not None
            param.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by one step (β 0.9 and 0.999, ε 1e-8, no weight decay)."""
        grads = [param.grad for param in self.params if param.grad is not None]
        with wide():
            adam(
                self.params, grads, self.first, self.second, [], self._steps,
                foreach=False, capturable=self.params[0].is_cuda, differentiable=False, fused=True, grad_scale=None,
                found_inf=None, has_complex=False, amsgrad=False, beta1=0.9, beta2=0.999, lr=self.lr,
                weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip
