"""What came of each fault, gathered while tests run; as a script, the page that shows it.

`make soak` sets NEURONBUILD_FAULT_NOTES to a file, runs everything, then writes docs/fault-matrix.md from it.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

VARIABLE = "NEURONBUILD_FAULT_NOTES"
PAGE = Path(__file__).resolve().parents[2] / "docs/fault-matrix.md"

HEAD = """# Faults, and what came of them

Written by `make soak`; each line is a test that passed. *absorbed*: the work went on and ended well, and nobody had to do
anything. *told*: the command failed with a clear error, nothing wrong was stored, and the same command again ended well.
*right or refused*: the bytes that came out were right, or nothing came out and the damage was named, put aside, and mended by
the next build or fetch.

| where | fault | cases | came out as |
|---|---|---|---|
"""


def note(where: str, fault: str, case: object, cases: int, result: str) -> None:
    """Keep the result of one of so many cases, where results are kept."""
    file = os.environ.get(VARIABLE)
    if file:
        with Path(file).open("a") as notes:
            notes.write(json.dumps({"where": where, "fault": fault, "case": case, "of": cases, "result": result}) + "\n")


def render(lines: list[str]) -> str:
    """The page: one line for each place and fault. Cases that there are, and that didn't run or didn't pass, are told."""
    results: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        said = json.loads(line)
        place = said["where"], said["fault"]
        results[place][str(said["case"])] = said["result"]
        wanted[place] = max(wanted[place], said["of"])
    rows = []
    for place, by_case in sorted(results.items()):
        counts = Counter(by_case.values())
        words = ", ".join(f"{result} {count}" if len(counts) > 1 else result for result, count in sorted(counts.items()))
        cases = f"{len(by_case)} of {wanted[place]}" if len(by_case) < wanted[place] else len(by_case)
        rows.append(f"| {' | '.join(place)} | {cases} | {words} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(Path(sys.argv[1]).read_text().splitlines()))
