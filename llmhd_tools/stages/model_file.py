"""A model as a file: opened, checked, its arrays by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Model as Choices
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.train.config import Config
from llmhd_tools.train.methods import known, parse, resolve
from llmhd_tools.train.state import State

GROUPS = ("param", "first", "second", "denoiser", "sampler")  # of a model's arrays


def config_of(choices: Choices, dataset: Dataset, start: Tensors | None = None) -> Config:
    """What to train with: as chosen, or as the model ``start`` was trained.

    Raises InputError for a model of another dataset, UsageError for a choice that contradicts the model's.
    """
    chosen = {name: value for name, value in asdict(choices).items() if name != "set" and value is not None}
    if start is None:
        return resolve(chosen, choices.set)
    kept = settings_of(start)
    if not known(kept):
        raise InputError("has no settings that this llmhd understands", where=start.source)
    config = Config(**kept)
    given = {f"`{k}` {v}": (v, getattr(config, k)) for k, v in chosen.items()}
    for name, value in parse(config, choices.set).items():
        given[f"`set` {name}={value}"] = (value, config.options[name])
    for told, (value, trained) in given.items():
        if value != trained:
            raise UsageError(f"{told} contradicts {start.source}, which was trained with {trained}; leave it out")
    if start.meta.get("graph") != dataset.digest:
        raise InputError("was trained on other interactions; go on with the same file", where=start.source)
    return config


def settings_of(model: Tensors) -> dict[str, Any]:
    """The training settings that a model keeps. Raises InputError where they are not all there."""
    kept = model.meta.get("config")
    types = {name: type(value) for name, value in Config().as_dict().items()}
    if not isinstance(kept, dict) or {name: type(value) for name, value in kept.items()} != types:
        raise InputError("has no settings that this llmhd understands", where=model.source)
    if not {"epoch", "step"} <= model.meta.keys():
        raise InputError("does not say its epoch and step", where=model.source)
    return kept


def to_arrays(state: State, sampler: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arrays of a model file, ``GROUP.name``; epoch and step are in its record."""
    parts: tuple[Mapping[str, Any], ...] = (state.params, state.first, state.second, state.denoiser, sampler)
    groups = zip(GROUPS, parts, strict=True)
    return {f"{group}.{name}": array for group, named in groups for name, array in named.items()}


def groups_of(model: Tensors) -> dict[str, dict[str, Any]]:
    """The arrays of a model by group and name."""
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for key, array in model.arrays.items():
        group, _, name = key.partition(".")
        if group in groups:
            groups[group][name] = array
    return groups


def state_of(model: Tensors) -> State:
    """The training state in a model file. Raises InputError where a part is missing."""
    groups = groups_of(model)
    if not groups["param"] or not groups["param"].keys() == groups["first"].keys() == groups["second"].keys():
        raise InputError("lacks parameters or moments", where=model.source)
    for name, param in groups["param"].items():
        for array in (param, groups["first"][name], groups["second"][name]):
            if array.dtype != "float32" or array.shape != param.shape:
                raise InputError(
                    f"parameter '{name}' and its moments are not of one shape, float32", where=model.source
                )
    epoch, step = model.meta["epoch"], model.meta["step"]
    return State(groups["param"], groups["first"], groups["second"], epoch, step, groups["denoiser"])
