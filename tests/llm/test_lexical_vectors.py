"""Lexical vectors against a dense singular value decomposition, and their limits."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from test_lexical import CORPUS

from llmhd_tools.llm.codec import pack, unpack
from llmhd_tools.llm.local.lexical_vectors import WIDTH, LexicalVectors, project
from llmhd_tools.llm.local.tfidf import Tfidf


def vectors(texts, width=None):
    return [None if a.error else unpack(str(a.value)) for a in LexicalVectors(width).answer(texts)]


def dense_rows(texts):
    space = Tfidf(texts)
    rows = np.zeros((len(texts), len(space)))
    for number, text in enumerate(texts):
        for term, weight in space.vector(text).items():
            rows[number, term] = weight
    return rows


def test_a_matrix_is_projected_on_its_strongest_singular_vectors():
    """Against LAPACK, where the singular values fall off; the strongest comes first, and no sign is left to chance."""
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.standard_normal((n, 40)))[0] for n in (90, 60))
    rows = (left * 0.7 ** np.arange(40)) @ right.T
    wanted = rows @ np.linalg.svd(rows)[2][:5].T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = project(sparse.csr_matrix(rows), 5)
    assert np.abs(found) == pytest.approx(np.abs(wanted), abs=2e-5)
    assert found @ found.T == pytest.approx(wanted @ wanted.T, abs=1e-4)
    assert np.array_equal(found, project(sparse.csr_matrix(rows), 5))


def test_cosines_of_texts_are_about_those_of_the_truncated_decomposition():
    texts = CORPUS[:120]
    left, strength, _ = np.linalg.svd(dense_rows(texts), full_matrices=False)
    wanted = left[:, :10] * strength[:10]
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = np.stack(vectors(texts, 10))
    assert found.dtype == np.float32 and found.shape == (120, 10)
    assert found @ found.T == pytest.approx(wanted @ wanted.T, abs=0.05)


def test_likeness_of_words_becomes_likeness_of_vectors():
    found = np.stack(vectors(CORPUS[:300]))
    assert found.shape[1] == WIDTH
    likeness = found @ found.T
    same = [likeness[n, n + 3] for n in range(290)]
    other = [likeness[n, n + 1] for n in range(290)]
    assert np.mean(same) > np.mean(other) + 0.2


def test_few_texts_get_zeros_behind_and_wordless_ones_nothing():
    found = vectors(["dragon castle", "castle murder", "!!", "dragon"], 6)
    assert found[2] is None and all(len(found[n]) == 6 and not found[n][3:].any() for n in (0, 1, 3))
    assert float(found[0] @ found[1]) > float(found[3] @ found[1])
    (alone,) = vectors(["dragon"], 3)
    assert alone.tolist() == [1, 0, 0]
    assert vectors(["", " "]) == [None, None] and vectors([]) == []


def test_threads_of_the_linear_algebra_change_nothing():
    code = (
        "from test_lexical import CORPUS\nfrom llmhd_tools.llm.local.lexical_vectors import LexicalVectors\nimport hashlib\n"
        "texts = [a + b for a in CORPUS for b in CORPUS[:9]]\n"
        "print(hashlib.sha256(''.join(str(a.value) for a in LexicalVectors(16).answer(texts)).encode()).hexdigest())"
    )
    told = set()
    for threads in "12":
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=__file__.rpartition("/")[0],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
                 "PYTHONPATH": ":".join(["../..", *filter(None, sys.path)])},
        )  # fmt: skip
        told.add(done.stdout)
    assert len(told) == 1


def test_packing_keeps_every_bit():
    rng = np.random.default_rng(0)
    vector = rng.standard_normal(33).astype(np.float32)
    assert np.array_equal(unpack(pack(vector)), vector)
    with pytest.raises(ValueError):
        unpack("no base64!")
