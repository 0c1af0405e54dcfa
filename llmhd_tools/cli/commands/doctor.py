"""``llmhd doctor``: what there is here to work with."""

from __future__ import annotations

from typing import Annotated, Any

import typer

_EXTRAS = {
    "parquet": "pyarrow",
    "plot": "matplotlib",
    "local": "sentence-transformers",
    "fast": "aiohttp",
    "socks": "socksio",
}


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON record, for programs.")] = False,
) -> None:
    """Say what there is to work with: versions, threads, GPUs, keys, disk.

    Also the cache of answers and memory. Put it into a report of a fault. A key is only said to be there; it is never shown.

    \b
    Examples:
      llmhd doctor
      llmhd doctor --json | jq .devices
    """
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import open_out
    from llmhd_tools.report.facts import facts

    found = {**_software(), **_machine(), **_service()}
    if as_json:
        write_records("-", [found])
        return
    with open_out("-") as out:
        out.write(facts(found, "text").encode())


def _software() -> dict[str, Any]:
    import platform
    from importlib import metadata

    from llmhd_tools import __version__

    def version(package: str) -> str | None:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return None

    needed = {name: version(name) or "missing" for name in ("torch", "numpy", "scipy", "openai", "typer", "rich")}
    extras = {extra: version(package) or "not there" for extra, package in _EXTRAS.items()}
    return {
        "llmhd": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **needed,
        "extras": extras,
    }


def _machine() -> dict[str, Any]:
    import os
    import shutil

    from llmhd_tools.train.devices import here

    load = os.getloadavg()[0]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processors": f"{len(os.sched_getaffinity(0))}, load {load:.1f}",
        "memory": f"{memory / 2**30:.1f} GiB",
        "disk": f"{shutil.disk_usage('.').free / 2**30:.1f} GiB free in this folder",
        "devices": here(),
    }


def _service() -> dict[str, Any]:
    import os

    from llmhd_tools.errors import LlmhdError
    from llmhd_tools.llm.cache import Cache, default_path
    from llmhd_tools.llm.service.endpoint import address

    path = default_path()
    try:
        answers = f"{len(Cache(path)):,} answers" if path.exists() else "not there yet"
        where = address(None)[0]
    except LlmhdError as error:
        return {"service": str(error)}
    key = "there (OPENAI_API_KEY)" if os.environ.get("OPENAI_API_KEY", "").strip() else "none in OPENAI_API_KEY"
    return {"cache": f"{path}, {answers}", "service": where, "key": key}
