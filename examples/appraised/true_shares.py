"""The true share of likes of each film among users outside the study, as CSV: true_shares.py SOURCE SOME FILE

SOURCE and SOME are folders with ratings.npz, SOME with those of the study. A film's share is drawn towards the mean by five
ratings, so that a film with few of them says little.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

PRIOR = 5


def main() -> None:
    """Write the file."""
    source, some, path = (Path(word) for word in sys.argv[1:])
    with np.load(source / "ratings.npz") as every, np.load(some / "ratings.npz") as study:
        outside = ~np.isin(every["user"], study["user"])
        item, liked = every["item"][outside], every["rating"][outside] >= 4
    films, code = np.unique(item, return_inverse=True)
    share = (np.bincount(code, liked) + PRIOR * liked.mean()) / (np.bincount(code) + PRIOR)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("item", "share"))
        rows.writerows(zip(films.tolist(), (f"{value:.6f}" for value in share), strict=True))


if __name__ == "__main__":
    main()
