"""A stand-in for an interpreter with torch-xla, where torch-xla isn't at hand: a real process that gives prepared answers.

It stands for the worker's module `lowering`, whose answers have the same form; what torch-xla makes of a graph is shown by
`make front-end` alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SOUND = {
    "files": [],
    "baked": [],
    "fallen": [],
    "same": True,
    "differs": "",
    "check": {"max_abs_error": {"logits": 2e-6}, "scale": {"logits": 4.0}},
    "operators": {"dot": 18, "add": 39},
    "wide": 0,
    "digest": "ab" * 32,
    "hlo_bytes": 4096,
    "parameters": 1000,
    "weight_bytes": 4000,
    "cache_bytes": 0,
    "unused": [],
}
"""What the worker says of a graph that nothing is wrong with."""

PACKAGES = {"torch": "2.9.0+cpu", "torch-xla": "2.9.0", "transformers": "4.57.1", "safetensors": "0.6.2", "numpy": "2.3.0"}

SCRIPT = """#!{python} -IS
import json, os, sys, time
said = json.loads({said!r})
if sys.argv[1].endswith("probe.py"):
    print(json.dumps({{"python": "3.11.7", "packages": said["packages"], "compilers": {{}}, "lineage": "", "places": []}}))
    sys.exit()
for line in sys.stdin:
    with open(line.strip()) as file:
        job = json.load(file)
    with open({diary!r}, "a") as diary:
        diary.write(json.dumps({{"kind": job["kind"], "graph": job["action"]["graph"], "process": os.getpid()}}) + "\\n")
    if said["hang"]:
        time.sleep(600)
    if said["kill"]:
        os.kill(os.getpid(), 9)
    answer = dict(said["answer"])
    if job["keep"]:
        for name in ("graph.hlo", "graph.hlo.txt"):
            open(os.path.join(job["folder"], name), "w").write("HloModule")
        answer["files"] = ["graph.hlo", "graph.hlo.txt"]
    error = {{"class": "user", "message": said["error"]}} if said["error"] else None
    answer = {{"ok": error is None, "result": answer, "error": error, "seconds": 0.1, "last": job["own_process"]}}
    print(json.dumps(answer), flush=True)
"""


class FakeFrontEnd:
    """Such an interpreter in a folder, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.python = folder / "python"
        self._diary = folder / "diary"
        self.say()

    def say(
        self, *, packages: dict = PACKAGES, error: str = "", kill: bool = False, hang: bool = False, **answer: object
    ) -> None:
        """What it says from now on."""
        said = json.dumps({"packages": packages, "error": error, "kill": kill, "hang": hang, "answer": {**SOUND, **answer}})
        self.python.write_text(SCRIPT.format(python=sys.executable, said=said, diary=str(self._diary)))
        self.python.chmod(0o755)

    @property
    def diary(self) -> list[dict]:
        """A job each, in order."""
        return [json.loads(line) for line in self._diary.read_text().splitlines()] if self._diary.is_file() else []
