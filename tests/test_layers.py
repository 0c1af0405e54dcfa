"""The house's layers (design §4): who may import whom, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "llmhd_tools"
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

# What the modules of each layer may import of ours; a layer may always import itself. Arrows point down only.
ALLOWED = {
    "errors": set(),
    "console": {"errors"},
    "registry": set(),
    "options": {"errors", "console", "registry"},
    "core": {"errors"},
    "files": {"errors", "console"},
    "llm": {"errors", "console"},
    "importers": {"errors", "console", "files"},
    "train": {"errors", "console", "registry", "core"},
    "commands": {"errors", "console", "options", "registry", "core", "files", "llm", "importers", "train"},
    "cli": {"errors", "console", "options", "commands"},
    "__init__": set(),
    "__main__": {"cli"},
}
# Who may import what of others, wherever in the module it stands. Not listed: any of our dependencies is fine.
ONLY = {
    "torch": {"train"},
    "openai": {"llm"},
    "rich": {"console"},
    "typer": {"cli", "options", "commands"},
    "jsonlines": {"files"},
    "zstandard": {"files", "importers"},
    "pyarrow": {"importers"},
    "matplotlib": {"commands"},
    "pickle": {"importers"},
}


def layer(module: str) -> str:
    return module.split("/")[0].removesuffix("_llm")  # options_llm.py is a part of the options


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(names: Iterator[str]) -> set[str]:
    """Layers of this package among imported names; names of the package itself, such as __version__, are none."""
    parts = [name.split(".") for name in names]
    return {
        layer(part[1]) for part in parts if part[0] == "llmhd_tools" and len(part) > 1 and not part[1].startswith("__")
    }


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert layer(module) in ALLOWED, "a new layer? say here what it may import"
    above = ours(imports(tree)) - ALLOWED[layer(module)] - {layer(module)}
    assert not above, f"{module} may not import {above}"


@pytest.mark.parametrize("module", MODULES)
def test_others_are_imported_in_their_place_only(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    roots = {name.split(".")[0] for name in imports(tree)}
    wrong = {name for name, layers in ONLY.items() if name in roots and layer(module) not in layers}
    assert not wrong, f"{module} may not import {wrong}"


@pytest.mark.parametrize(
    "module", [m for m in MODULES if layer(m) in ("commands", "cli", "options", "console", "errors")]
)
def test_the_command_line_is_light_at_its_top(module: str) -> None:
    """Heavy modules, and those of ours that load them, are imported inside functions; commands/loading, loop and figures
    are themselves imported so."""
    if module in ("commands/loading", "commands/loop", "commands/figures"):
        pytest.skip("only ever imported inside functions")
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]  # not: if TYPE_CHECKING
    names = {name for node in top for name in imports(node)}
    assert not {name.split(".")[0] for name in names} & {
        "numpy",
        "scipy",
        "torch",
        "openai",
        "rich",
        "jsonlines",
        "matplotlib",
    }
    assert not ours(iter(names)) & {"core", "llm", "train", "importers"}
    light = {"llmhd_tools.files.streams", "llmhd_tools.files.schema"}
    files = {name for name in names if name.startswith("llmhd_tools.files")}
    assert all(any(name == ok or name.startswith(f"{ok}.") for ok in light) for name in files)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_drawn_from_global_state_and_nothing_exits(module: str) -> None:
    """Random draws come from a generator that is passed in; only the entry point ends the process."""
    calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(n, ast.Call)}
    assert not {c for c in calls if c.startswith(("np.random.", "random.")) and c not in ALLOWED_RANDOM}
    assert not calls & {
        "eval",
        "exec",
        "pickle.load",
        "pickle.loads",
        "torch.load",
        "torch.manual_seed",
        "os._exit",
        "exit",
    }
    assert "sys.exit" not in calls or module == "__main__"


ALLOWED_RANDOM = {
    "random.Random",
    "np.random.default_rng",
    "np.random.Generator",
    "np.random.SeedSequence",
    "np.random.PCG64",
}


def test_there_is_no_drawer_of_odds_and_ends() -> None:
    assert not {
        module for module in MODULES if module.rsplit("/")[-1] in ("utils", "util", "helpers", "misc", "common")
    }
