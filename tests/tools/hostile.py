"""Input that somebody else made: sound documents with something changed, unsafe names, and guards around what reads them."""

from __future__ import annotations

import contextlib
import copy
import os
import random
import sys
from pathlib import Path

from tests.tools.fuzz import random_json, random_text

NAMES = [
    "../x", "../../../x", "/tmp/neuronbuild-was-here", "..", ".", "", "a/../../x", "..\\x",
    "C:\\x", "a\0b", "a\n", "con", "x.", "x ",
    "MODEL.PT2", "Config.json", "manifest.json", "neuronbuild.json", "README.md", "config.json", "config.json/x", "a" * 300,
    "a/" * 600 + "a", "\u202egnp.exe", "~/x", "$HOME/x", "-rf", "buckets", "weights.safetensors", "é" * 200,
]  # fmt: skip
NUMBERS = [0, -1, 1 << 31, 1 << 64, 10**17, 10**400, 1.5, 1e308, -0.0]
CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}
"""Events of Python's own record of system calls (PEP 578), and which argument is the path that is changed."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def places(tree: object, at: tuple = ()) -> list[tuple]:
    """The ways to all values in a tree of JSON."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [(*at, key) for key, _ in inner] + [way for key, value in inner for way in places(value, (*at, key))]


def mutated(chance: random.Random, tree: object) -> object:
    """A tree with one to three values changed, named otherwise, doubled, or taken away."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.randint(1, 3)):
        ways = places(tree)
        if not ways:
            break
        *way, last = chance.choice(ways)
        parent = tree
        for key in way:
            parent = parent[key]
        _change(chance, parent, last)
    return tree


def _change(chance: random.Random, parent: dict | list, key: object) -> None:
    kind = chance.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1:
        parent[key] = random_json(chance)
    elif kind == 2:
        parent[key] = chance.choice(NAMES)
    elif kind == 3:
        parent[key] = chance.choice([*NUMBERS, [], {}, "", None, True, nested(chance.choice([50, 150]))])
    elif isinstance(parent, dict):
        parent[chance.choice([*NAMES, random_text(chance)])] = parent[key] if kind == 4 else parent.pop(key)
    else:
        parent.append(copy.deepcopy(parent[key]))


def nested(depth: int) -> object:
    """Lists in lists."""
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def mutated_text(chance: random.Random, text: str, pieces: list[str]) -> str:
    """A text with some pieces put in, cut out or doubled."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice([0, 1, 5, 40]))
        text = text[:start] + chance.choice([*pieces, text[start:end] * 2, random_text(chance)]) + text[end:]
    return text


_WRITTEN: list[str] | None = None


def _note(event: str, arguments: tuple) -> None:
    if _WRITTEN is None:
        return
    if event == "open":
        path, _, flags = arguments
        changed = path if isinstance(path, str | Path) and _changes(path, flags) else None
    else:
        changed = _in_folder(arguments[CHANGES[event]], arguments[-1]) if event in CHANGES else None
    if changed is not None:
        _WRITTEN.append(str(changed))


def _changes(path: str | Path, flags: object) -> bool:
    """Whether a file is opened to be changed. In a folder that is opened so, a file without a name is made: it is nobody's."""
    return isinstance(flags, int) and flags & WRITES != 0 and not Path(path).is_dir()


def _in_folder(path: object, handle: object) -> object:
    """A path that counts from an open folder, as `shutil.rmtree` uses them."""
    return f"{os.readlink(f'/proc/self/fd/{handle}')}/{path}" if isinstance(handle, int) and handle >= 0 else path  # noqa: PTH115


sys.addaudithook(_note)


@contextlib.contextmanager
def writes_stay_in(*folders: Path):
    """Whatever a file is created, changed or removed by, it must lie in one of these folders."""
    global _WRITTEN  # noqa: PLW0603 (an audit hook is there for as long as the process)
    _WRITTEN = written = []
    try:
        yield
    finally:
        _WRITTEN = None
    allowed = tuple(os.path.realpath(folder) for folder in (*folders, os.environ["XDG_CACHE_HOME"], "/dev"))
    outside = [path for path in written if not _real(path).startswith(allowed)]
    assert not outside, outside


def _real(path: str) -> str:
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))  # noqa: PTH118, PTH119, PTH120


def reset_peak() -> int:
    """Bytes of memory that this process has now; the peak counts from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most bytes of memory that this process had since then."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
