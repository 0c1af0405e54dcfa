"""The house's layers (CONTRIBUTING.md): who may import whom, read from the source; no circles; nothing grows too large."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "llmhd_tools"
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}

FREE = {"errors", "notes", "registry", "settings"}  # what every layer may import
# What the modules of each layer may import of ours besides; a layer may always import itself. Arrows point down only.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "notes": set(),
    "registry": set(),
    "settings": set(),
    "core": set(),
    "files": set(),
    "importers": {"files"},
    "llm": {"files"},
    "train": {"core"},
    "stages": {"core", "files", "importers", "llm", "train"},
    "measure": {"core", "files", "llm", "stages", "train"},
    "runs": {"core", "files", "llm", "train", "stages", "measure"},
    "report": {"core", "files"},
    "testing": {"core", "files", "llm", "stages"},
    "cli": {"core", "files", "importers", "llm", "train", "stages", "measure", "runs", "report"},
    "__init__": {"files", "llm", "measure", "report", "runs", "stages"},  # the public names, each on its first use
    "__main__": {"cli"},
}
# Who may import what of others, wherever in the module it stands. Not listed: any of our dependencies is fine.
ONLY = {
    "torch": {"train"},
    "openai": {"llm"},
    "rich": {"cli", "report"},
    "typer": {"cli"},
    "jsonlines": {"files"},
    "zstandard": {"files", "importers"},
    "pyarrow": {"importers"},
    "matplotlib": {"report"},
    "pickle": {"importers"},
}
FILE, BODY = 250, 40  # lines of a file, and of a function without its signature and docstring

# What is larger all the same, and how large. These lists may only shrink.
LARGE_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {
    "cli/commands/train_epoch.command": 43,
}


def layer(module: str) -> str:
    return module.split("/")[0]


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(module: str) -> set[str]:
    """The modules of this package that a module imports, as in ``MODULES``."""
    found = set()
    for name in imports(TREES[module]):
        parts = name.split(".")
        for end in range(len(parts), 1, -1):
            path = "/".join(parts[1:end])
            if parts[0] == "llmhd_tools" and (
                hit := next((m for m in (path, f"{path}/__init__") if m in MODULES), None)
            ):
                found.add(hit)
                break
    return found - {module}


def test_arrows_point_down() -> None:
    wrong = {}
    for module in MODULES:
        assert layer(module) in ALLOWED, f"{module}: a new layer? say here what it may import"
        allowed = ALLOWED[layer(module)] | FREE | {layer(module)}
        if above := {other for other in ours(module) if layer(other) not in allowed}:
            wrong[module] = above
    assert not wrong


def test_there_are_no_circles() -> None:
    graphlib.TopologicalSorter({module: ours(module) for module in MODULES}).prepare()  # raises CycleError


def test_others_are_imported_in_their_place_only() -> None:
    for module, tree in TREES.items():
        roots = {name.split(".")[0] for name in imports(tree)}
        wrong = {name for name, layers in ONLY.items() if name in roots and layer(module) not in layers}
        assert not wrong, f"{module} may not import {wrong}"


def test_the_command_line_is_light_at_its_top() -> None:
    """Heavy modules, and those of ours that load them, are imported inside functions."""
    light = {"files/schema"}
    for module in [m for m in MODULES if layer(m) in FREE | {"cli"}]:
        top = [
            node for node in TREES[module].body if isinstance(node, ast.Import | ast.ImportFrom)
        ]  # not: TYPE_CHECKING
        body = ast.Module(top, [])
        heavy = {"numpy", "scipy", "torch", "openai", "rich", "jsonlines", "matplotlib"}
        assert not {name.split(".")[0] for name in imports(body)} & heavy, module
        names = {
            name.removeprefix("llmhd_tools.").replace(".", "/") for name in imports(body) if "llmhd_tools." in name
        }
        below = {name for name in names if layer(name) not in FREE | {"cli", "__version__"}}
        assert all(any(name == ok or name.startswith(f"{ok}/") for ok in light) for name in below), (module, below)


def test_nothing_is_drawn_from_global_state_and_nothing_exits() -> None:
    """Random draws come from a generator that is passed in; only the entry point ends the process."""
    allowed = {f"np.random.{name}" for name in ("default_rng", "Generator", "SeedSequence", "PCG64")} | {
        "random.Random"
    }
    never = {"eval", "exec", "pickle.load", "pickle.loads", "torch.load", "torch.manual_seed", "os._exit", "exit"}
    for module, tree in TREES.items():
        calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        assert not {c for c in calls if c.startswith(("np.random.", "random.")) and c not in allowed}, module
        assert not calls & never, module
        assert "sys.exit" not in calls or module == "__main__"


def test_there_is_no_drawer_of_odds_and_ends() -> None:
    assert not {
        module for module in MODULES if module.rsplit("/")[-1] in ("utils", "util", "helpers", "misc", "common")
    }


def test_files_and_functions_fit_a_screen_or_are_on_the_lists_that_only_shrink() -> None:
    files = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert_shrinks({module: lines for module, lines in files.items() if lines > FILE}, LARGE_FILES)
    bodies = {
        f"{module}.{node.name}": body_lines(node)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert_shrinks({name: lines for name, lines in bodies.items() if lines > BODY}, LONG_FUNCTIONS)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function behind its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def assert_shrinks(large: dict[str, int], known: dict[str, int]) -> None:
    """Nothing new is too large, nothing known has grown, and what fits by now has left the list."""
    assert not {name: lines for name, lines in large.items() if lines > known.get(name, 0)}, "make these smaller"
    assert not known.keys() - large.keys(), "these fit by now; take them off the list"
