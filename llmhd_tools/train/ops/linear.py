"""``core.linear``'s EASE and L3AE on a device: the same closed forms by torch, on a GPU by cuSOLVER."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from llmhd_tools.core.linear import Table
from llmhd_tools.errors import InputError

_CELLS = 1 << 28  # cells of X that are dense on the device at a time, 1 GiB


def ease(interactions: sp.csr_array, ridge: float, device: torch.device) -> Table:
    """As ``core.linear.ease``, within rounding."""
    return _host(_ease(interactions, ridge, device))


def l3ae(
    interactions: sp.csr_array, texts: sp.csr_array, ridge: float, pull: float, text_ridge: float, device: torch.device
) -> Table:
    """As ``core.linear.l3ae``, within rounding."""
    towards = _ease(sp.csr_array(texts.T), text_ridge, device)
    middle = _inverse(_gram(interactions, device), ridge + pull)
    found = (middle @ towards).mul_(pull)
    del towards
    found -= middle * ((1.0 + found.diagonal()) / middle.diagonal())
    return _host(found.fill_diagonal_(0.0))


def _ease(rows: sp.csr_array, ridge: float, device: torch.device) -> Tensor:
    found = _inverse(_gram(rows, device), ridge)
    found /= -found.diagonal().clone()
    return found.fill_diagonal_(0.0)


def _gram(rows: sp.csr_array, device: torch.device) -> Tensor:
    """XᵀX of a sparse X (rows, n), (n, n) float32; in full float32, for TF32 would not invert."""
    width = rows.shape[1]
    found = torch.zeros((width, width), device=device)
    few = max(1, _CELLS // max(width, 1))
    for start in range(0, rows.shape[0], few):
        part = rows[start : start + few].tocoo()
        at = torch.from_numpy(np.stack([part.row, part.col]).astype(np.int64)).to(device)
        dense = torch.zeros(part.shape, device=device)
        dense[at[0], at[1]] = torch.from_numpy(part.data.astype(np.float32)).to(device)
        found.addmm_(dense.T, dense)
    return found


def _inverse(matrix: Tensor, ridge: float) -> Tensor:
    """(matrix + ridge·I)⁻¹ of a symmetric matrix. Raises InputError where float32 finds it not to be positive definite."""
    matrix.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if not failed:
        matrix = torch.cholesky_inverse(factor)
    if failed or not matrix.diagonal().isfinite().all():
        raise InputError(f"the items' matrix has no inverse with a ridge of {ridge:g}; take a larger one")
    return matrix


def _host(table: Tensor) -> Table:
    found: Table = table.cpu().numpy()
    return found
