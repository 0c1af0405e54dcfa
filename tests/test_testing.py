"""The checks for anybody's methods pass for ours, and say what is wrong with others."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from llmhd_tools.errors import UsageError
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.importers import read_source
from llmhd_tools.llm.local.lexical import Lexical
from llmhd_tools.llm.requests import Answer, Score
from llmhd_tools.registry import BACKBONES, DENOISERS, SAMPLERS
from llmhd_tools.settings import Machine
from llmhd_tools.stages.model import Model
from llmhd_tools.testing import (
    check_backbone,
    check_denoiser,
    check_importer,
    check_provider,
    check_sampler,
    small_dataset,
)
from llmhd_tools.train.backbones.lightgcn import LightGCN
from llmhd_tools.train.denoisers.t_ce import TCE
from llmhd_tools.train.methods import load
from llmhd_tools.train.samplers.uniform import Uniform


def small_vectors():
    data, rng = small_dataset(), np.random.default_rng(1)
    sides = {"user": rng.normal(size=(40, 4)), "item": rng.normal(size=(24, 4))}
    return Tensors("vectors", {k: v.astype(np.float32) for k, v in sides.items()}, data.users, data.items)


@pytest.mark.parametrize("name", BACKBONES)
def test_our_backbones(name):
    method = load("backbone", name)
    check_backbone(name, small_vectors() if method.texts else None, **method.defaults)


@pytest.mark.parametrize("name", DENOISERS)
def test_our_denoisers(name):
    check_denoiser(name)


@pytest.mark.parametrize("name", SAMPLERS)
def test_our_samplers(name):
    check_sampler(name, small_vectors() if name == "semantic" else None)


def test_our_provider():
    check_provider(lambda: Lexical(["a book of bread", "a book of kings", "ships at sea"]))


def test_our_importer(tmp_path):
    with (tmp_path / "x.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["user", "item"], ["a", 1], ["a", 2], ["b", 1]])
    check_importer(lambda path: read_source("csv", path), tmp_path / "x.csv")


class Twisted(LightGCN):
    """Puts last what users touched."""

    def final(self, params, operator=None):
        z = super().final(params, operator)
        z[: self.graph.n_users] *= -1
        return z


class Forgetful(TCE):
    """Keeps something from epoch to epoch that is not in its state."""

    steps = 0

    def weigh(self, batch, logit, losses):
        self.steps += 1
        weighed = super().weigh(batch, logit, losses)
        weight = weighed.weight.clone()
        weight[0] = float(self.steps < 12)
        return replace(weighed, weight=weight)


class Careless(Uniform):
    """Draws items that the user has touched."""

    def draw(self, graph, user, rng, z):
        return rng.integers(graph.n_items, size=len(user)).astype(np.int32)

    scored = True


class Shy(Lexical):
    """Gives no answer to a score."""

    def answer(self, requests):
        for request, answer in zip(asked := list(requests), super().answer(asked), strict=True):
            if not isinstance(request, Score):
                yield answer


class Generous(Lexical):
    """Gives eleven points."""

    def answer(self, requests):
        for request in requests:
            yield Answer(11) if isinstance(request, Score) else next(super().answer([request]))


@pytest.mark.parametrize(("check", "bad", "told"), [
    (check_backbone, Twisted, "no higher than the rest"),
    (check_denoiser, Forgetful, r"is all that it remembers in state\(\)\?"),
    (check_sampler, Careless, "negatives that the user has touched"),
])  # fmt: skip
def test_what_is_wrong_with_a_method_is_told(check, bad, told):
    with pytest.raises(AssertionError, match=told):
        check(bad)


@pytest.mark.parametrize(("bad", "told"), [(Shy, "answers to 7 requests"), (Generous, "got 11|a score is 11")])
def test_what_is_wrong_with_a_provider_is_told(bad, told):
    with pytest.raises(AssertionError, match=told):
        check_provider(lambda: bad(["a book of bread", "a book of kings"]))


def test_a_class_of_one_s_own_trains_and_a_file_does_not_load_it_by_itself():
    own = f"{Twisted.__module__}:Twisted"
    model = Model(small_dataset(), machine=Machine("cpu", 1), backbone=own, dim=4, batch=16)
    model.train()
    with pytest.raises(UsageError, match="a class of your own; name it again"):
        Model(small_dataset(), machine=Machine("cpu", 1), start=model.file())
    Model(small_dataset(), machine=Machine("cpu", 1), start=model.file(), backbone=own).train()


@pytest.mark.parametrize(("name", "told"), [("no_such:Net", "cannot be loaded"), ("math:Net", "cannot be loaded")])
def test_a_class_that_is_not_there_is_told(name, told):
    with pytest.raises(UsageError, match=told):
        Model(small_dataset(), backbone=name)
