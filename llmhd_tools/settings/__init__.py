"""Every choice that there is, once: sections of choices, which every face and every record reads."""

from llmhd_tools.settings.declare import (
    ANY,
    WITHOUT,
    Choice,
    Needs,
    Section,
    asked_for,
    choices_of,
    is_own,
    pick,
    purpose,
)
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
from llmhd_tools.settings.importing import Columns, Filtering, Form, Splitting, Texts
from llmhd_tools.settings.service import ONE_BY_ONE, Service
from llmhd_tools.settings.training import Aligning, Machine, Measuring, Model, Stopping

__all__ = [
    "ANY",
    "ONE_BY_ONE",
    "WITHOUT",
    "Aligning",
    "Choice",
    "Cleaning",
    "Columns",
    "Filtering",
    "Form",
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
    "Splitting",
    "Staging",
    "Stopping",
    "Suspecting",
    "Texts",
    "asked_for",
    "choices_of",
    "is_own",
    "pick",
    "purpose",
]

# All sections, in the order in which pages show them.
SECTIONS: tuple[type[Section], ...] = (
    Columns,
    Form,
    Texts,
    Filtering,
    Splitting,
    Model,
    Machine,
    Stopping,
    Measuring,
    Staging,
    Pruning,
    Judging,
    Profiles,
    Cleaning,
    Suspecting,
    Inferring,
    Relating,
    Aligning,
    Service,
)
