"""Recommenders in closed form: one file each, and a line each in ``registry.py``. One fit, no epochs, nothing drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import scipy.sparse as sp

    from llmhd_tools.core.rankers import Ranker


class Fitted(Protocol):
    """What is made of interactions at one go."""

    Options: ClassVar[type]
    texts: ClassVar[bool] = False  # whether it looks at item texts

    def __init__(self, options: Any) -> None: ...

    def memory(self, items: int) -> int:
        """Bytes of the tables that stand in memory side by side while so many items are fitted."""
        return 0

    def fit(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str = "cpu") -> Ranker:
        """The ranker of interactions X (users, items), which may hold weights, and of texts (items, width).

        ``device`` is where dense tables are inverted; rows and sparse weights stay on the host.

        Raises InputError where there is none.
        """
