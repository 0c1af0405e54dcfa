"""``python -m llmhd_tools``: the same as ``llmhd``."""

import sys

from llmhd_tools.cli import main

sys.exit(main())
