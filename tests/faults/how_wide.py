"""How much is tried: FAULTS=wide, as bin/faults sets it, tries all that there is."""

from __future__ import annotations

import os

WIDE = os.environ.get("FAULTS") == "wide"
