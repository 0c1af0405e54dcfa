"""The parts of a model file."""

from __future__ import annotations

from typing import Any

from llmhd_tools.errors import InputError
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.train.config import Config
from llmhd_tools.train.state import State

GROUPS = ("param", "first", "second", "denoiser", "sampler")  # of a model's arrays


def settings_of(model: Tensors) -> dict[str, Any]:
    """The training settings that a model keeps. Raises InputError where they are not all there."""
    kept = model.meta.get("config")
    types = {name: type(value) for name, value in Config().as_dict().items()}
    if not isinstance(kept, dict) or {name: type(value) for name, value in kept.items()} != types:
        raise InputError("has no settings that this llmhd understands", where=model.source)
    if not {"epoch", "step"} <= model.meta.keys():
        raise InputError("does not say its epoch and step", where=model.source)
    return kept


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
