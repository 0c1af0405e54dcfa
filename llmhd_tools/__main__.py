"""``python -m llmhd_tools``: the same as ``llmhd``."""

import sys

from llmhd_tools.cli.app import main

sys.exit(main())
