"""Pruning against a reference in plain Python loops, exact fractions and doubles (llmhd.md §2-3)."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core import pruning
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.core.sampling import Samples
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table
from llmhd_tools.settings import Pruning
from llmhd_tools.stages.prune import noisy_rows

USERS, ITEMS, DIM = 7, 9, 3


def reference_count(schedule, alpha, max_noise, step, size):
    """⌊ε_l(T)·|B|⌋ in exact arithmetic; the numbers mean the decimals that a person typed."""
    ramp, most = Fraction(step) / Fraction(str(alpha)), Fraction(str(max_noise))
    number = {
        "ramp": most * min(ramp, Fraction(1)) * size,
        "cap": min(ramp, most) * size,
        "count": min(ramp, most * size),
    }[schedule]
    return math.floor(number)


def reference_noisy(batches, loss, step, schedule, alpha, max_noise):
    """Rows of B_N, batch by batch."""
    noisy = []
    for batch in sorted(set(batches)):
        rows = [row for row, b in enumerate(batches) if b == batch]
        worst = sorted(rows, key=lambda row: (-loss[row], row))
        noisy += sorted(worst[: reference_count(schedule, alpha, max_noise, step + batch, len(rows))])
    return noisy


def reference_variance(history, user, item, link):
    """Population variance of one pair's prediction over the epochs."""
    seen = []
    for users, items in history:
        logit = sum(float(a) * float(b) for a, b in zip(users[user], items[item], strict=True))
        seen.append(1 / (1 + math.exp(-logit)) if link == "sigmoid" else logit)
    mean = math.fsum(seen) / len(seen)
    return math.fsum((value - mean) ** 2 for value in seen) / len(seen)


def reference_highest(rows, values, share):
    count = math.ceil(Fraction(str(share)) * len(rows))
    return set(sorted(rows, key=lambda row: (-values[row], row))[:count])


def reference_candidates(noisy, batches, positive, negative, label, share):
    """Rows of B_HC."""
    chosen = set()
    for batch in set(batches):
        rows = [row for row in noisy if batches[row] == batch]
        if negative is not None:
            chosen |= reference_highest(rows, positive, share) | reference_highest(rows, negative, share)
        else:
            for side in (1, 0):
                chosen |= reference_highest([row for row in rows if label[row] == side], positive, share)
    return chosen


@st.composite
def epochs_of_samples(draw):
    """Samples of either objective with a short last batch (sometimes), tied losses (sometimes), and a history."""
    pairwise = draw(st.booleans())
    size, full, rest = draw(st.integers(1, 12)), draw(st.integers(0, 3)), draw(st.integers(0, 11))
    batches = [b for b in range(full) for _ in range(size)] + [full] * max(min(rest, size - 1), int(not full))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = len(batches)
    loss = rng.choice([0.25, 0.5, 2.0], n) if draw(st.booleans()) else rng.exponential(size=n)
    columns = {
        "batch": np.array(batches, dtype=np.int64),
        "user": rng.integers(USERS, size=n, dtype=np.int32),
        "item": rng.integers(ITEMS, size=n, dtype=np.int32),
    }
    if pairwise:
        columns["negative"] = rng.integers(ITEMS, size=n, dtype=np.int32)
    else:
        columns["label"] = rng.integers(2, size=n).astype(np.int8)
    columns["loss"] = loss.astype(np.float32)
    history = [
        (rng.normal(size=(USERS, DIM)).astype(np.float32), rng.normal(size=(ITEMS, DIM)).astype(np.float32))
        for _ in range(draw(st.integers(2, 5)))
    ]
    return columns, history


schedules = st.sampled_from(["ramp", "cap", "count"])
percents = st.integers(0, 100).map(lambda n: n / 100)
alphas = st.integers(1, 300)
steps = st.integers(0, 500)


def samples_from(columns):
    return Samples(columns["batch"], columns["user"], columns["item"], columns.get("negative"), columns.get("label"))


def as_table(columns):
    users, items = Ids([f"u{n}" for n in range(USERS)]), Ids([f"i{n}" for n in range(ITEMS)])
    return Table("samples", dict(columns), users, items)


@settings(deadline=None, max_examples=150)
@given(
    data=epochs_of_samples(),
    step=steps,
    schedule=schedules,
    alpha=alphas,
    max_noise=percents,
    share=percents,
    link=st.sampled_from(["sigmoid", "raw"]),
)
def test_prune_agrees_with_the_reference(data, step, schedule, alpha, max_noise, share, link):
    columns, history = data
    batches, loss = columns["batch"].tolist(), columns["loss"].tolist()
    noisy = reference_noisy(batches, loss, step, schedule, alpha, max_noise)

    def variances(name):
        pairs = zip(columns["user"].tolist(), columns[name].tolist(), strict=True)
        return [reference_variance(history, user, item, link) for user, item in pairs]

    positive = variances("item")
    negative = variances("negative") if "negative" in columns else None
    label = columns["label"].tolist() if "label" in columns else None
    candidates = reference_candidates(noisy, batches, positive, negative, label, share)

    found = noisy_rows(as_table(columns), history, Pruning(alpha, max_noise, schedule, share, link=link), step, 0)

    assert found["row"].tolist() == noisy
    assert found["variance"].tolist() == pytest.approx([positive[row] for row in noisy], rel=1e-9, abs=1e-15)
    assert ("negative_variance" in found) == (negative is not None)
    if negative is not None:
        wanted = [negative[row] for row in noisy]
        assert found["negative_variance"].tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-15)
    assert [row for row, c in zip(noisy, found["candidate"], strict=True) if c] == sorted(candidates)
    for name in columns:  # each noisy row is the sample that it says it is
        assert found[name].tolist() == columns[name][noisy].tolist()


@settings(deadline=None, max_examples=60)
@given(data=epochs_of_samples(), share=percents, seed=st.integers(0, 5))
def test_random_selection_picks_as_many_in_each_batch(data, share, seed):
    columns, history = data
    how, table = Pruning(1, 0.8, candidates=share), as_table(columns)
    by_variance = noisy_rows(table, history, how, 10, 0)
    at_random = noisy_rows(table, history, replace(how, selection="random"), 10, seed)
    again = noisy_rows(table, history, replace(how, selection="random"), 10, seed)
    assert at_random["row"].tolist() == by_variance["row"].tolist()
    assert at_random["candidate"].tolist() == again["candidate"].tolist()
    for batch in set(by_variance["batch"].tolist()):
        of_batch = by_variance["batch"] == batch
        assert at_random["candidate"][of_batch].sum() == by_variance["candidate"][of_batch].sum()


def test_random_selection_is_uniform_and_varies_with_seed_and_step():
    n = 40
    samples = Samples(np.zeros(n, np.int64), *(np.arange(n, dtype=np.int32),) * 3)
    rows, spread = np.arange(n), np.arange(n, dtype=float)
    drawn = [
        pruning.candidates(samples, rows, spread, spread, 0.25, "random", seed, step)
        for seed in range(20)
        for step in range(20)
    ]
    assert {int(one.sum()) for one in drawn} == {10}
    assert len({one.tobytes() for one in drawn}) == 400
    counts = np.sum(drawn, axis=0)
    chi2 = ((counts - 100) ** 2 / (100 * 0.75)).sum()
    assert chi2 < 80  # 39 degrees of freedom; p = 0.0001


@pytest.mark.parametrize("pairwise", [True, False])
@pytest.mark.parametrize("selection", ["variance", "random", "all"])
@pytest.mark.parametrize("epochs", [0, 1])
def test_without_two_epochs_nothing_is_a_candidate(pairwise, selection, epochs):
    rng = np.random.default_rng(0)
    codes = np.arange(6, dtype=np.int32)
    columns = {"batch": np.zeros(6, np.int64), "user": codes, "item": codes, "loss": codes.astype(np.float32)}
    columns |= {"negative": codes[::-1].copy()} if pairwise else {"label": (codes % 2).astype(np.int8)}
    history = [(rng.normal(size=(7, 2)).astype(np.float32), rng.normal(size=(9, 2)).astype(np.float32))] * epochs
    found = noisy_rows(as_table(columns), history, Pruning(1, 0.5, candidates=1.0, selection=selection), 5, 0)
    assert found["row"].tolist() == [3, 4, 5]
    assert not found["candidate"].any()
    assert np.isnan(found["variance"]).all()


def test_all_selects_every_noisy_row_whatever_the_share():
    samples = Samples(np.zeros(4, np.int64), *(np.arange(4, dtype=np.int32),) * 3)
    spread = np.array([0.0, 1.0])
    chosen = pruning.candidates(samples, np.array([1, 3]), spread, spread, 0.0, "all")
    assert chosen.tolist() == [True, True]


def test_no_variance_share_is_no_candidates_and_no_noise_is_no_rows():
    samples = Samples(np.zeros(4, np.int64), *(np.arange(4, dtype=np.int32),) * 3)
    spread = np.array([0.5, 1.0])
    assert not pruning.candidates(samples, np.array([1, 3]), spread, spread, 0.0).any()
    for rate in (NoiseRate(100, 0.0), NoiseRate(100, 1.0)):  # nothing at all, and nothing yet at T = 0
        assert not len(pruning.noisy_rows(np.ones(4, np.float32), samples, 0, rate))


def test_rate_has_the_values_of_the_card():
    ramp, cap, count = (NoiseRate(3000, 0.05, schedule) for schedule in ("ramp", "cap", "count"))
    assert ramp.share(1500, 1024) == pytest.approx(0.025)
    assert ramp.share(9000, 1024) == 0.05
    assert cap.share(75, 1024) == pytest.approx(0.025)
    assert cap.share(1500, 1024) == 0.05
    # printed formula: 200 epochs of Amazon-book (23,600 steps) leave 7 of 1024 noisy, so ε_max never binds
    assert count.count(23_600, 1024) == 7


def test_huge_predictions_do_not_overflow():
    huge = [(np.full((1, 2), sign * 1e4, np.float32), np.full((1, 2), 1e4, np.float32)) for sign in (1, -1)]
    with np.errstate(all="raise", over="ignore", under="ignore"):
        spread = pruning.variance(huge, np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert spread.tolist() == [0.25]  # sigmoid 1 and 0


def test_blocks_of_predictions_join():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(60, 4)).astype(np.float32)
    user = rng.integers(50, size=70_000, dtype=np.int32)  # more than one block of 65,536
    item = rng.integers(60, size=70_000, dtype=np.int32)
    wanted = np.einsum("nd,nd->n", z[0][user].astype(float), z[1][item].astype(float))
    assert pruning.predictions(z, user, item, "raw") == pytest.approx(wanted, abs=1e-12)
