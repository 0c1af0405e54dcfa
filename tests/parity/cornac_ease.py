"""Cornac's EASE of some interactions, in its own environment. Usage: cornac_ease.py IN.npz OUT.npz

IN holds ``user`` and ``item`` (n,) and ``ridge``; OUT gets ``item``, the items' codes, ``weights`` among them, and of each user
``score`` (users, items) in the order of ``user`` and ``item``.
"""

from __future__ import annotations

import sys

import numpy as np
from cornac.data import Dataset
from cornac.models import EASE

given = np.load(sys.argv[1])
triples = [(int(user), int(item), 1.0) for user, item in zip(given["user"], given["item"], strict=True)]
data = Dataset.from_uir(triples, seed=1)
model = EASE(lamb=float(given["ridge"]), posB=False, verbose=False).fit(data)
score = np.stack([np.asarray(model.score(user)).ravel() for user in range(data.num_users)])
np.savez(
    sys.argv[2], item=np.array(list(data.item_ids)), user=np.array(list(data.user_ids)), weights=model.B, score=score
)
