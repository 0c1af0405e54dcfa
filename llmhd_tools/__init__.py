"""llmhd: find and handle noise in the implicit feedback that recommenders learn from.

``import llmhd_tools as llmhd``: tables go in and come out, nothing prints, and what stands here is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from llmhd_tools.errors import LlmhdError as LlmhdError
    from llmhd_tools.files.frames import interactions as interactions
    from llmhd_tools.files.kinds import read_any as read
    from llmhd_tools.files.kinds import write_any as write
    from llmhd_tools.files.table import Table as Table
    from llmhd_tools.files.tensors import Tensors as Tensors
    from llmhd_tools.llm.open import open_embedder as open_embedder
    from llmhd_tools.llm.open import open_provider as open_provider
    from llmhd_tools.llm.requests import Answer as Answer
    from llmhd_tools.llm.requests import Provider as Provider
    from llmhd_tools.measure.agreement import agreement as agreement
    from llmhd_tools.measure.blend import blend as blend
    from llmhd_tools.measure.diagnosis import diagnose as diagnose
    from llmhd_tools.measure.evaluate import evaluate as evaluate
    from llmhd_tools.report.compare import compare as compare
    from llmhd_tools.report.whole import report_of as report_of
    from llmhd_tools.runs.explain import explain as explain
    from llmhd_tools.runs.run import run as run
    from llmhd_tools.runs.tune import tune as tune
    from llmhd_tools.settings.configs import preset as preset
    from llmhd_tools.stages.align import align_vectors as align
    from llmhd_tools.stages.appraise import appraise as appraise
    from llmhd_tools.stages.dataset import Dataset as Dataset
    from llmhd_tools.stages.dataset import dataset_of as dataset
    from llmhd_tools.stages.denoise import denoise as denoise
    from llmhd_tools.stages.distil import distil as distil
    from llmhd_tools.stages.embed import embed as embed
    from llmhd_tools.stages.fit import fit as fit
    from llmhd_tools.stages.judge import Judged as judge
    from llmhd_tools.stages.model import Model as Model
    from llmhd_tools.stages.noise import inject_noise as inject_noise
    from llmhd_tools.stages.profiles import update_profiles as update_profiles
    from llmhd_tools.stages.prune import prune as prune
    from llmhd_tools.stages.recommend import recommend as recommend
    from llmhd_tools.stages.relate import relate as relate
    from llmhd_tools.stages.score import score as score
    from llmhd_tools.stages.summarize import summarize as summarize
    from llmhd_tools.stages.suspect import suspect as suspect

# Where each public name comes from: a module, and its name there.
PUBLIC = {
    "read": ("files.kinds", "read_any"),
    "write": ("files.kinds", "write_any"),
    "interactions": ("files.frames", "interactions"),
    "Table": ("files.table", "Table"),
    "Tensors": ("files.tensors", "Tensors"),
    "Dataset": ("stages.dataset", "Dataset"),
    "dataset": ("stages.dataset", "dataset_of"),
    "Model": ("stages.model", "Model"),
    "open_provider": ("llm.open", "open_provider"),
    "open_embedder": ("llm.open", "open_embedder"),
    "Provider": ("llm.requests", "Provider"),
    "Answer": ("llm.requests", "Answer"),
    "inject_noise": ("stages.noise", "inject_noise"),
    "summarize": ("stages.summarize", "summarize"),
    "embed": ("stages.embed", "embed"),
    "align": ("stages.align", "align_vectors"),
    "prune": ("stages.prune", "prune"),
    "score": ("stages.score", "score"),
    "appraise": ("stages.appraise", "appraise"),
    "distil": ("stages.distil", "distil"),
    "judge": ("stages.judge", "Judged"),
    "update_profiles": ("stages.profiles", "update_profiles"),
    "denoise": ("stages.denoise", "denoise"),
    "fit": ("stages.fit", "fit"),
    "blend": ("measure.blend", "blend"),
    "suspect": ("stages.suspect", "suspect"),
    "relate": ("stages.relate", "relate"),
    "recommend": ("stages.recommend", "recommend"),
    "evaluate": ("measure.evaluate", "evaluate"),
    "agreement": ("measure.agreement", "agreement"),
    "diagnose": ("measure.diagnosis", "diagnose"),
    "compare": ("report.compare", "compare"),
    "report_of": ("report.whole", "report_of"),
    "run": ("runs.run", "run"),
    "tune": ("runs.tune", "tune"),
    "explain": ("runs.explain", "explain"),
    "preset": ("settings.configs", "preset"),
    "LlmhdError": ("errors", "LlmhdError"),
}
__all__ = [
    "Answer",
    "Dataset",
    "LlmhdError",
    "Model",
    "Provider",
    "Table",
    "Tensors",
    "agreement",
    "align",
    "appraise",
    "blend",
    "compare",
    "dataset",
    "denoise",
    "diagnose",
    "distil",
    "embed",
    "evaluate",
    "explain",
    "fit",
    "inject_noise",
    "interactions",
    "judge",
    "open_embedder",
    "open_provider",
    "preset",
    "prune",
    "read",
    "recommend",
    "relate",
    "report_of",
    "run",
    "score",
    "settings",
    "summarize",
    "suspect",
    "tune",
    "update_profiles",
    "write",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name == "settings":
        return import_module("llmhd_tools.settings")
    if name not in PUBLIC:
        raise AttributeError(f"module 'llmhd_tools' has no attribute '{name}'")
    module, there = PUBLIC[name]
    found = globals()[name] = getattr(import_module(f"llmhd_tools.{module}"), there)
    return found


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    return [*__all__, "__version__"]
