"""Objectives and the regulariser (LLMHD Eq. 1-2; card §1.6), per sample and on logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LOSSES = ("bpr", "bce")


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """softplus(-(ŷ_ui - ŷ_uj)) of each triple, (n,). Unlike -log(ε + σ(·)) it never saturates."""
    return F.softplus(negative - positive)


def bce(logit: Tensor, label: Tensor) -> Tensor:
    """softplus(ŷ) - y·ŷ of each labelled row, (n,)."""
    return F.softplus(logit) - label * logit


def embedding_norms(*groups: Tensor) -> Tensor:
    """RecBole's EmbLoss: the sum of the groups' un-squared Frobenius norms over the batch size, the rows of one group."""
    norms: Tensor = torch.stack([torch.linalg.vector_norm(group) for group in groups]).sum()
    return norms / len(groups[-1])
