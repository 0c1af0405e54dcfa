"""Table 4 from the usage files of runs: calls and tokens by template, as records of kind comparison.

    tokens.py FOLDER/usage-EPSMAX-EPSV.jsonl... > table4.jsonl

T_sum, T_FP and T_FN are of the first file, as the paper gives them once; T_score is of each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMES = {"summarize": "T_sum", "false-negative": "T_FN", "false-positive": "T_FP"}


def main() -> None:
    """Print the records."""
    for number, path in enumerate(map(Path, sys.argv[1:])):
        _, most, share = path.stem.split("-")
        tallies = {tally["template"]: tally for tally in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
        names = (NAMES if number == 0 else {}) | {"score": f"T_score, ε_max {float(most):.2f}, ε_v {share}"}
        for template, name in names.items():
            tally = tallies.get(template, {"sent": 0, "prompt_tokens": 0, "completion_tokens": 0})
            tokens = tally["prompt_tokens"] + tally["completion_tokens"]
            for metric, value in (("calls", tally["sent"]), ("tokens", tokens)):
                print(json.dumps({"row": name, "metric": metric, "value": value}, ensure_ascii=False))


if __name__ == "__main__":
    main()
