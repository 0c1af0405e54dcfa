"""Linear models of items: weights B (items, items) that turn what a user touched into scores, x B (``rankers.Linear``).

EASE (Steck 2019, arXiv 1905.03375, Eq. 8) and L3AE (Moon et al. 2025) are ridge regressions of every item on all others,
itemknn (Deshpande and Karypis 2004) is cosines of items. All are closed forms and draw nothing.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack

from llmhd_tools.errors import InputError

Table = NDArray[np.float32]

_BLOCK = 512  # rows or columns of a table at a time
_NOTHING = 1e-12  # the length of an item that nobody touched must divide
_TABLES = {"ease": 1, "l3ae": 3}  # of items² float32 that stand in memory side by side


def table_bytes(model: str, items: int) -> int:
    """What the tables of ``ease`` or ``l3ae`` take in memory at the peak, in bytes; it grows with the items' square."""
    return _TABLES[model] * 4 * items**2


def ease(interactions: sp.csr_array, ridge: float) -> Table:
    """B of EASE, (items, items): -P / diag(P) off the diagonal, 0 on it, P = (XᵀX + ridge·I)⁻¹.

    ``interactions`` X (users, items) may hold weights. Raises InputError where float32 cannot invert the matrix.
    """
    found = inverse(gram(interactions), ridge)
    np.divide(found, -found.diagonal(), out=found)
    np.fill_diagonal(found, 0.0)
    return found


def l3ae(interactions: sp.csr_array, texts: sp.csr_array, ridge: float, pull: float, text_ridge: float) -> Table:
    """B of L3AE, (items, items): EASE that is drawn towards what texts say, C, and not towards 0 only.

    C is the EASE of the items' ``texts`` (items, width) with a ridge of its own. B, of diagonal 0, minimises
    ‖X - XB‖² + ridge·‖B‖² + pull·‖B - C‖². With P = (XᵀX + (ridge + pull)·I)⁻¹ it is, off the diagonal,
    pull·PC - P·diag((1 + pull·diag(PC)) / diag(P)). Raises as ``ease``.
    """
    towards = ease(sp.csr_array(texts.T), text_ridge)
    middle = inverse(gram(interactions), ridge + pull)
    found: Table = np.matmul(middle, towards)
    found *= np.float32(pull)
    scale = (1.0 + found.diagonal()) / middle.diagonal()
    for start in range(0, len(found), _BLOCK):  # a block, for its product is one more table
        part = slice(start, start + _BLOCK)
        found[part] -= middle[part] * scale
    np.fill_diagonal(found, 0.0)
    return found


def gram(rows: sp.csr_array) -> Table:
    """XᵀX of a sparse X (rows, n), (n, n) float32."""
    rows = rows.astype(np.float32)
    across = sp.csr_array(rows.T)
    found = np.empty((rows.shape[1], rows.shape[1]), dtype=np.float32)
    for start in range(0, len(found), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = (across[part] @ rows).toarray()
    return found


def inverse(matrix: Table, ridge: float) -> Table:
    """(matrix + ridge·I)⁻¹ of a symmetric matrix (n, n), in its own memory, by its Cholesky factor.

    Raises InputError where float32 finds it not to be positive definite.
    """
    matrix.reshape(-1)[:: len(matrix) + 1] += np.float32(ridge)
    factor, failed = lapack.spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)  # .T: LAPACK's order of memory
    if not failed:
        factor, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or not np.isfinite(factor.diagonal()).all():
        raise InputError(f"the items' matrix has no inverse with a ridge of {ridge:g}; take a larger one")
    found: Table = factor.T  # of which LAPACK wrote the upper triangle
    for start in range(0, len(found), _BLOCK):
        end = start + _BLOCK
        found[end:, start:end] = found[start:end, end:].T
        corner = found[start:end, start:end]
        np.copyto(corner, np.triu(corner) + np.triu(corner, 1).T)
    return found


def strongest(weights: Table, count: int) -> sp.csr_array:
    """B with the ``count`` weights of largest size in each column, what speaks for an item; sparse, of B's shape.

    Of equal ones the earlier row. A column has fewer where the others are 0.
    """
    found, count = [], min(count, len(weights))
    for start in range(0, weights.shape[1], _BLOCK):
        block = np.ascontiguousarray(weights[:, start : start + _BLOCK].T)
        size = np.abs(block)
        least = np.partition(size, len(weights) - count, axis=1)[:, len(weights) - count, None]
        kept = (size >= least) & (size > 0)
        for row in np.flatnonzero(kept.sum(1) > count):  # equal ones at the end of the list
            kept[row] = False
            kept[row, np.argsort(-size[row], kind="stable")[:count]] = True
        found.append(
            sp.csc_array((block[kept], kept.nonzero()[1], np.append(0, np.cumsum(kept.sum(1)))), block.T.shape)
        )
    return sp.csr_array(sp.hstack(found))


def popular(interactions: sp.csr_array, count: int) -> NDArray[np.int64]:
    """The ``count`` items of most interactions, ascending; of equal ones the lower code. All of them where there are fewer."""
    touched = np.bincount(interactions.indices, minlength=interactions.shape[1])
    return np.sort(np.argsort(-touched, kind="stable")[:count])


def spread(weights: sp.csr_array, items: NDArray[np.int64], n_items: int) -> sp.csr_array:
    """Weights among some items (k, k) as weights among all (n_items, n_items); the others have none."""
    found = weights.tocoo()
    return sp.csr_array((found.data, (items[found.row], items[found.col])), shape=(n_items, n_items))


def itemknn(interactions: sp.csr_array, neighbours: int, shrink: float) -> sp.csr_array:
    """B of itemknn, (items, items) sparse: in each item's column the cosines of its nearest neighbours.

    The cosine of the columns x_i, x_j of X is x_i·x_j / (‖x_i‖·‖x_j‖ + shrink); ``shrink`` lowers those of rare items.
    """
    x = sp.csc_array(interactions.astype(np.float32))
    length = np.sqrt(np.asarray(x.multiply(x).sum(axis=0)))
    found = []
    for start in range(0, x.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        alike = (x.T @ x[:, part]).toarray()
        alike /= np.maximum(np.outer(length, length[part]) + np.float32(shrink), _NOTHING)
        np.fill_diagonal(alike[part], 0.0)
        found.append(strongest(alike, neighbours))
    return sp.csr_array(sp.hstack(found))
