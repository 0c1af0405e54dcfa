"""Methods side by side: mean and spread over seeds, who is best, and whether that could be luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp

SMALLER_IS_BETTER = {"loss", "trimmed-loss", "disliked-share"}  # metrics; of all others more is better

Values = Mapping[Any, float]  # one method's value of one metric by what runs are paired by, such as their seed


@dataclass(frozen=True)
class Summary:
    """One method's values of one metric.

    ``sd`` is the sample's (ddof 1), None for a single run. ``place`` is 1 for the best, 2 for the runner-up, else None.
    ``p`` belongs to the paired t-test against the method ``against``; None where there is nothing to test. ``tests`` says
    for how many tests it is corrected, None where it is not.
    """

    runs: int
    mean: float
    sd: float | None
    place: int | None = None
    against: str | None = None
    p: float | None = None
    tests: int | None = None


def compare(
    methods: Mapping[str, Values], metric: str, baseline: str | None = None, corrected: bool = False
) -> dict[str, Summary]:
    """The methods' summaries of ``metric``, in their order.

    Each is tested against ``baseline``, or where there is none, the best against the runner-up. Methods of equal mean
    share their place, and then nobody is tested for it. ``corrected`` p hold for all tests together (``holm``).
    """
    means = {name: float(np.mean(list(values.values()))) for name, values in methods.items()}
    places = _places(means, metric in SMALLER_IS_BETTER)
    against = dict.fromkeys(methods.keys() - {baseline}, baseline) if baseline in methods else {}
    if baseline is None:
        best, second = ([name for name, place in places.items() if place == wanted] for wanted in (1, 2))
        against = {best[0]: second[0]} if len(best) == len(second) == 1 else {}
    tested = {name: paired_p(methods[name], methods[other]) for name, other in against.items() if other is not None}
    found = {name: p for name, p in tested.items() if p is not None}
    count = len(found) if corrected else None
    ps = holm(found) if corrected else found
    summaries = {}
    for name, values in methods.items():
        spread = float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None
        test = ps.get(name), count if name in ps else None
        summaries[name] = Summary(len(values), means[name], spread, places.get(name), against.get(name), *test)
    return summaries


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """The p of several tests by name, each corrected so that any one is below a level by luck as seldom as that level says.

    Holm (1979): the k-th smallest of m is multiplied by m - k + 1, none falls below one before it, none is above 1.
    """
    found, largest = {}, 0.0
    for place, name in enumerate(sorted(ps, key=lambda name: ps[name])):
        found[name] = largest = max(largest, min(1.0, (len(ps) - place) * ps[name]))
    return found


def _places(means: Mapping[str, float], smaller: bool) -> dict[str, int]:
    levels = sorted(set(means.values()), reverse=not smaller)[:2] if len(means) > 1 else []
    return {name: levels.index(mean) + 1 for name, mean in means.items() if mean in levels}


def paired_p(one: Values, other: Values) -> float | None:
    """Two-sided p of Student's paired t-test over the keys that both have.

    Of keys that are tuples those of one first part are not independent, such as one seed's at several noise levels: they
    count as one, by the mean of their differences. None for fewer than two, or where all differences are the same: then
    nothing says how far they scatter.
    """
    units: dict[Any, list[float]] = {}
    for key in sorted(one.keys() & other.keys()):
        units.setdefault(key[0] if isinstance(key, tuple) else key, []).append(one[key] - other[key])
    apart = np.array([np.mean(found) for found in units.values()])
    size = max(map(abs, (*one.values(), *other.values())), default=0.0)
    if len(apart) < 2 or np.ptp(apart) <= 1e-12 * size:
        return None
    return float(ttest_1samp(apart, 0.0).pvalue)
