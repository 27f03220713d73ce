"""A g++ that compiles each source once in a run of the tests: it stands before the real one on PATH, which does the work.

Dozens of tests compile a graph that another test has compiled: killed builds that go on, damaged artifacts that are made again,
workspaces of their own. All that torch hands over stays real; only an object file that the same words and the same source gave
before in this run is copied. What is no compile of one source, such as a question for the version, goes to the real one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OBJECTS = "objects"


def install(folder: Path) -> Path:
    """Put it into a folder, which is to stand first on PATH; several processes may do so at once."""
    real = shutil.which("g++")
    folder.mkdir(exist_ok=True)
    (folder / OBJECTS).mkdir(exist_ok=True)
    if real is not None:
        part = folder / f"{os.getpid()}.part"
        program = Path(__file__).read_text(encoding="utf-8")
        part.write_text(f"#!{sys.executable} -IS\nREAL = {real!r}\n{program.replace('from __future__ import annotations', '')}")
        part.chmod(0o755)
        part.replace(folder / "g++")
    return folder


def compile_once(real: str, words: list[str], objects: Path) -> int:
    """The exit status of one call."""
    sources = [word for word in words if word.endswith(".cpp")]
    if len(sources) != 1 or "-c" not in words or "-o" not in words:
        os.execv(real, [real, *words])
    target = words[words.index("-o") + 1]
    others = [word for word in words if word not in {sources[0], target}]
    kept = objects / hashlib.sha256("\0".join(others).encode() + Path(sources[0]).read_bytes()).hexdigest()
    with contextlib.suppress(OSError):
        shutil.copyfile(kept, target)
        return 0
    status = subprocess.call([real, *words])
    if status == 0:
        with contextlib.suppress(OSError):
            part = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(target, part)
            part.replace(kept)
    return status


if __name__ == "__main__":
    sys.exit(compile_once(REAL, sys.argv[1:], Path(__file__).parent / OBJECTS))  # noqa: F821 (written before it by `install`)
