"""The devices that there are to train on."""

from __future__ import annotations

import torch


def here() -> list[str]:
    """One line for each: its name as ``device`` takes it, and what it is."""
    found = [f"cpu ({torch.backends.cpu.get_cpu_capability()})"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            found.append(f"cuda:{number} ({about.name}, {about.total_memory / 2**30:.0f} GiB)")
    return found
