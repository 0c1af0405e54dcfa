"""A source for `prepare` with some of its users: some_users.py SOURCE FOLDER USERS SEED

SOURCE is GroupLens's own folder (ratings.dat) or one with ratings.npz; its other files are copied.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np


def chosen(users: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which rows belong to `count` users, drawn with `seed`."""
    every = np.unique(users)
    return np.isin(users, np.random.default_rng(seed).permutation(every)[:count])


def main() -> None:
    """Write the folder; it appears once it is whole."""
    source, folder, count, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in source.iterdir():
        if path.name == "ratings.npz":
            with np.load(path, allow_pickle=False) as arrays:
                rows = chosen(arrays["user"], count, seed)
                np.savez(part / path.name, **{name: arrays[name][rows] for name in arrays.files})
        elif path.name == "ratings.dat":
            lines = path.read_bytes().splitlines(keepends=True)
            rows = chosen(np.array([int(line.split(b"::")[0]) for line in lines]), count, seed)
            (part / path.name).write_bytes(b"".join(line for line, row in zip(lines, rows, strict=True) if row))
        elif path.is_file():
            shutil.copyfile(path, part / path.name)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


if __name__ == "__main__":
    main()
