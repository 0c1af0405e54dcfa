"""Training rows with the weight that `suspect --weights` gave their pair: weighed.py TRAIN SUSPECTS > rows"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Write the rows to standard output."""
    rows, suspects = (map(json.loads, Path(word).read_text(encoding="utf-8").splitlines()) for word in sys.argv[1:])
    weight = {(pair["user"], pair["item"]): pair["weight"] for pair in suspects}
    for row in rows:
        print(json.dumps(row | {"weight": weight[row["user"], row["item"]]}))


if __name__ == "__main__":
    main()
