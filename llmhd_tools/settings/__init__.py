"""Every choice that there is, once: sections of choices, which every face and every record reads."""

from llmhd_tools.settings.declare import ANY, WITHOUT, Choice, Needs, Section, asked_for, choices_of, pick, purpose
from llmhd_tools.settings.denoising import (
    Cleaning,
    Inferring,
    Judging,
    Profiles,
    Pruning,
    Relating,
    Staging,
    Suspecting,
)
from llmhd_tools.settings.service import ONE_BY_ONE, Service
from llmhd_tools.settings.training import Aligning, Machine, Measuring, Model, Stopping

__all__ = [
    "ANY",
    "ONE_BY_ONE",
    "WITHOUT",
    "Aligning",
    "Choice",
    "Cleaning",
    "Inferring",
    "Judging",
    "Machine",
    "Measuring",
    "Model",
    "Needs",
    "Profiles",
    "Pruning",
    "Relating",
    "Section",
    "Service",
    "Staging",
    "Stopping",
    "Suspecting",
    "asked_for",
    "choices_of",
    "pick",
    "purpose",
]
