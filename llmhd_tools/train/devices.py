"""The devices that there are to train on."""

from __future__ import annotations

import torch

from llmhd_tools.errors import DeviceError, UsageError


def here() -> list[str]:
    """One line for each: its name as ``device`` takes it, and what it is."""
    found = [f"cpu ({torch.backends.cpu.get_cpu_capability()})"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            found.append(f"cuda:{number} ({about.name}, {about.total_memory / 2**30:.0f} GiB)")
    return found


def pick_device(name: str) -> torch.device:
    """The device to train on; ``auto`` is a GPU where there is one. Raises UsageError or DeviceError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"`device` {name} is unknown; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("no CUDA device is at hand; use `device` cpu")
    return device
