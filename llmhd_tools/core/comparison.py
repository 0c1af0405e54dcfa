"""Methods side by side: mean and spread over seeds, who is best, and whether that could be luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

SMALLER_IS_BETTER = {"loss", "trimmed-loss", "disliked-share"}  # metrics; of all others more is better

Values = Mapping[Any, float]  # one method's value of one metric by what runs are paired by, such as their seed


@dataclass(frozen=True)
class Summary:
    """One method's values of one metric.

    ``sd`` is the sample's (ddof 1), None for a single run. ``place`` is 1 for the best, 2 for the runner-up, else None.
    ``p`` belongs to the paired t-test against the method ``against``; None where there is nothing to test.
    """

    runs: int
    mean: float
    sd: float | None
    place: int | None = None
    against: str | None = None
    p: float | None = None


def compare(methods: Mapping[str, Values], metric: str, baseline: str | None = None) -> dict[str, Summary]:
    """The methods' summaries of ``metric``, in their order.

    Each is tested against ``baseline``, or where there is none, the best against the runner-up. Methods of equal mean
    share their place, and then nobody is tested for it.
    """
    means = {name: float(np.mean(list(values.values()))) for name, values in methods.items()}
    places = _places(means, metric in SMALLER_IS_BETTER)
    against = dict.fromkeys(methods.keys() - {baseline}, baseline) if baseline in methods else {}
    if baseline is None:
        best, second = ([name for name, place in places.items() if place == wanted] for wanted in (1, 2))
        against = {best[0]: second[0]} if len(best) == len(second) == 1 else {}
    summaries = {}
    for name, values in methods.items():
        spread = float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None
        other = against.get(name)
        p = paired_p(values, methods[other]) if other is not None else None
        summaries[name] = Summary(len(values), means[name], spread, places.get(name), other, p)
    return summaries


def _places(means: Mapping[str, float], smaller: bool) -> dict[str, int]:
    levels = sorted(set(means.values()), reverse=not smaller)[:2] if len(means) > 1 else []
    return {name: levels.index(mean) + 1 for name, mean in means.items() if mean in levels}


def paired_p(one: Values, other: Values) -> float | None:
    """Two-sided p of Student's paired t-test over the keys that both have (``scipy.stats.ttest_rel``).

    None for fewer than two such keys, or where all differences are the same: then nothing says how far they scatter.
    """
    keys = sorted(one.keys() & other.keys())
    a, b = (np.array([values[key] for key in keys]) for values in (one, other))
    if len(keys) < 2 or np.ptp(a - b) <= 1e-12 * max(np.abs(a).max(), np.abs(b).max()):
        return None
    return float(ttest_rel(a, b).pvalue)
