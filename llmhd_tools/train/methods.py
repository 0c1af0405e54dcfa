"""From names and ``NAME=VALUE`` words to a run's settings: which methods there are, and what they take."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.registry import BACKBONES, DENOISERS, FITTED, OBJECTIVES, SAMPLERS
from llmhd_tools.settings import is_own
from llmhd_tools.settings.spans import span_of
from llmhd_tools.train.config import Config

_KNOWN = {
    "backbone": ("backbones", BACKBONES),
    "loss": ("objectives", OBJECTIVES),
    "denoise": ("denoisers", DENOISERS),
    "negatives": ("samplers", SAMPLERS),
}
_FIT = {"model": ("fitted", FITTED)}  # is no setting of a training run
_SPAN = "int | str"  # steps or epochs, see ``settings.spans``
_TYPES = {"int": int, "float": float, "str": str}


def load(kind: str, name: str) -> Any:
    """The class of a method of one kind, ours or a user's ``module:Class``. Raises UsageError where there is none."""
    package, classes = (_KNOWN | _FIT)[kind]
    if is_own(name):
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise UsageError(f"`{kind}` {name} cannot be loaded: {error}") from None
    if name not in classes:
        raise UsageError(f"`{kind}` {name} is unknown; known: {', '.join(classes)}")
    return getattr(importlib.import_module(f"llmhd_tools.train.{package}.{name.replace('-', '_')}"), classes[name])


def check(config: Config) -> None:
    """Raise UsageError with the reason where the methods do not go together."""
    denoiser = load("denoise", config.denoise)
    if reason := denoiser.undefined.get(config.loss):
        raise UsageError(f"`denoise` {config.denoise} is not defined for `loss` {config.loss}: {reason}")
    if denoiser.ids and not load("backbone", config.backbone).ids:
        raise UsageError(
            f"`denoise` {config.denoise} weighs edges by the embeddings of ids; {config.backbone} has none"
        )
    if config.loss == "softmax" and config.negatives != Config.negatives:
        raise UsageError(
            f"`negatives` {config.negatives} has no part in `loss` softmax: its negatives are the batch's items"
        )


def resolve(chosen: Mapping[str, Any], words: Sequence[str] = ()) -> Config:
    """The settings of a new run: those ``chosen`` (None is not chosen), else the backbone's own defaults, else Config's.

    ``words`` are ``NAME=VALUE`` options of the chosen methods. Raises UsageError where anything does not fit.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    plain = Config(**given)
    config = Config(**{**load("backbone", plain.backbone).defaults, **given})
    check(config)
    options = {spec.name: spec.default for spec in _declared(named(config.as_dict()))}
    options |= parse(config, words)
    return dataclasses.replace(config, options=options)


def named(settings: Mapping[str, Any]) -> dict[str, str]:
    """The methods among a run's settings, by kind."""
    return {kind: settings[kind] for kind in _KNOWN}


def parse(config: Config, words: Sequence[str]) -> dict[str, Any]:
    """The values in ``NAME=VALUE`` words, checked against the options of the chosen methods."""
    return values_of(named(config.as_dict()), words)


def values_of(methods: Mapping[str, str], words: Sequence[str]) -> dict[str, Any]:
    """The values in ``NAME=VALUE`` words, checked against the options of methods by kind."""
    specs = {spec.name: spec for spec in _declared(methods)}
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.replace("-", "_")
        if not equals or name not in specs:
            names = ", ".join(_spelt(n) for n in specs) or "none"
            chosen = " or ".join(f"`{kind}` {method}" for kind, method in methods.items())
            raise UsageError(f"`set` {word}: is no option of {chosen} as NAME=VALUE; known: {names}")
        values[name] = _value(specs[name], text)
    return values


def known(settings: Mapping[str, Any]) -> bool:
    """Whether settings from a model name methods that are here, with all their options and no others."""
    methods = named(settings)
    if any(method not in _KNOWN[kind][1] and not is_own(method) for kind, method in methods.items()):
        return False
    wanted = {spec.name: spec for spec in _declared(methods)}
    options = settings["options"]
    return options.keys() == wanted.keys() and all(_is_of(wanted[name], value) for name, value in options.items())


def describe(methods: Mapping[str, str]) -> str:
    """What these methods, by kind, take by ``--set``, for people."""
    page = ""
    for kind, name in methods.items():
        method = load(kind, name)
        page += f"\nOptions of --{kind} {name} (--set NAME=VALUE):\n"
        rows = [(f"{_spelt(s.name)}={_limits(s)}", f"{s.metadata['help']} [{s.default}]") for s in _fields(method)]
        page += "".join(f"  {left:<28}  {right}\n" for left, right in rows) or "  none\n"
        if shared := getattr(method, "defaults", {}):
            page += "  " + ", ".join(f"--{key} is {value} unless given" for key, value in shared.items()) + "\n"
        for loss, reason in getattr(method, "undefined", {}).items():
            page += f"  not for --loss {loss}: {reason}\n"
    return page


def _declared(methods: Mapping[str, str]) -> Iterator[dataclasses.Field[Any]]:
    for kind, name in methods.items():
        yield from _fields(load(kind, name))


def _fields(method: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(method.Options)


def _spelt(name: str) -> str:
    return name.replace("_", "-")


def _limits(spec: dataclasses.Field[Any]) -> str:
    if "choices" in spec.metadata:
        return "|".join(spec.metadata["choices"])
    return "STEPS|EPOCHSe" if spec.type == _SPAN else str(spec.type).upper()


def _is_of(spec: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a value is of the option's type; a span is a number or a text."""
    return type(value) is type(spec.default) or (spec.type == _SPAN and type(value) in (int, str))


def _value(spec: dataclasses.Field[Any], text: str) -> Any:
    """The value that ``text`` spells. Raises UsageError for another type or one out of range."""
    name, limits = _spelt(spec.name), spec.metadata
    if "choices" in limits and text not in limits["choices"]:
        raise UsageError(f"`set` {name}={text}: choose from {', '.join(limits['choices'])}")
    if spec.type == _SPAN:
        value = span_of(f"`set` {name}={text}", text, limits["low"])
        return value if isinstance(value, str) else round(value)
    try:
        value = _TYPES[str(spec.type)](text)
    except ValueError:
        raise UsageError(f"`set` {name}={text}: must be of type {spec.type}") from None
    low, high = limits.get("low", -float("inf")), limits.get("high", float("inf"))
    if not isinstance(value, str) and not low <= value <= high:  # NaN is out of every range
        raise UsageError(f"`set` {name}={text}: must be from {low} to {high}")
    return value
