"""A worker that compiles nothing, around the real conversation and the real supervision.

Run as `<interpreter> <the worker's folder> LIFELINE`, like the real one. What it does at each step is told by the
environment, as a compiler's mishaps are no part of an action either: `FAKE_ACTS` is JSON, step to act. An act that ends
in ` once` is over when the step has been tried before. `FAKE_DIARY` is the file that says what happened.
"""

import hashlib
import importlib
import importlib.util
import json
import mmap
import os
import pathlib
import signal
import subprocess
import sys
import time

FILES = ("model.pt2", "constants.safetensors")
AGES = 600
ACTS = {}


def act(function):
    """Have a function done where its name, with hyphens, is a step's act."""
    ACTS[function.__name__.replace("_", "-")] = function
    return function


def compile_action(job):
    """Do what the step's act says, then write a few bytes that follow from the action."""
    action, folder = job["action"], pathlib.Path(job["folder"])
    chosen = choose_act(str(action["shape"]["batch_size"]))
    result = describe(action)
    for name, data in zip(FILES, contents(action), strict=True):
        (folder / name).write_bytes(data)
    if chosen:
        ACTS[chosen](folder, result)
    return result


def choose_act(step):
    """Note the try in the diary, and look up what goes wrong with it."""
    tried = f"compile {step}\n" in pathlib.Path(os.environ["FAKE_DIARY"]).read_text()
    note(f"compile {step}")
    note(f"process {os.getpid()}")
    chosen, _, once = json.loads(os.environ["FAKE_ACTS"]).get(step, "").partition(" ")
    return None if once and tried else chosen


def note(line):
    """One line in the diary, whole even if several processes write."""
    handle = os.open(os.environ["FAKE_DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def contents(action):
    """Bytes of the two files: the same for the same action, in any process."""
    graph = b"graph of " + hashlib.sha256(json.dumps(action, sort_keys=True).encode()).digest()
    header = json.dumps({"table": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return graph, len(header).to_bytes(8, "little") + header + bytes(4)


def describe(action):
    """The answer that a compile of `fill-mask` gives."""
    dims = [action["shape"]["batch_size"], action["shape"]["sequence_length"]]
    weight = {"name": "model.weight", "dtype": "float32", "shape": [2, 2], "stride": [2, 1], "tied": ["weight"]}
    table = {"name": "table", "dtype": "float32", "shape": [1], "stride": [1], "tied": []}
    return {
        "files": list(FILES),
        "signature": {
            "inputs": [{"name": entry["name"], "dtype": entry["dtype"], "shape": entry["shape"]} for entry in action["inputs"]],
            "outputs": [{"name": "logits", "dtype": "float32", "shape": [*dims, 3]}],
            "constants": [{**weight, "in_artifact": False}, {**table, "in_artifact": True}],
        },
        "checks": [
            {
                "kind": "random-weights",
                "reference": "eager",
                "max_abs_error": {"logits": 0.0},
                "scale": {"logits": 1.0},
                "tolerance": 1e-4,
            }
        ],
        "facts": {"prefix": "model"},
    }


@act
def user(folder, result):
    raise errors.UserError("the operator aten::hum is not supported")


@act
def slow_user(folder, result):
    slow(folder, result)
    user(folder, result)


@act
def internal(folder, result):
    raise RuntimeError("the scheduler tripped\nover a loop")


@act
def memory(folder, result):
    raise MemoryError


@act
def disk(folder, result):
    raise OSError(28, "No space left on device")


@act
def fill(folder, result):
    """Write until the disk is full, as a compiler does whose intermediate files are large."""
    with (folder / "large").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


@act
def fill_mapped(folder, result):
    """The same through memory, which ends the process with SIGBUS."""
    with (folder / "large").open("wb+") as file:
        file.truncate(1 << 30)
        with mmap.mmap(file.fileno(), 0) as memory:
            for start in range(0, 1 << 30, 1 << 12):
                memory[start] = 1


@act
def fill_and_say(folder, result):
    """The same, told in words that name no disk."""
    try:
        fill(folder, result)
    except OSError:
        raise RuntimeError("the assembler failed") from None


@act
def fill_and_lose(folder, result):
    """The same, taken for a success."""
    try:
        fill(folder, result)
    except OSError:
        (folder / FILES[1]).write_bytes(b"")


@act
def fill_and_leave(folder, result):
    """The same, with a process that just ends."""
    try:
        fill(folder, result)
    except OSError:
        os._exit(1)


@act
def killed(folder, result):
    os.kill(os.getpid(), signal.SIGKILL)


@act
def segfault(folder, result):
    os.kill(os.getpid(), signal.SIGSEGV)


@act
def leave(folder, result):
    os._exit(3)


@act
def hang(folder, result):
    time.sleep(AGES)


@act
def wait(folder, result):
    """Go on when a file called `go` lies beside the diary."""
    while not pathlib.Path(os.environ["FAKE_DIARY"]).with_name("go").exists():
        time.sleep(0.01)


@act
def hang_with_child(folder, result):
    spawn_sleep()
    time.sleep(AGES)


@act
def segfault_with_child(folder, result):
    spawn_sleep()
    segfault(folder, result)


@act
def segfault_with_fork(folder, result):
    """Die while a fork, which holds every pipe of its parent's, lives on."""
    child = os.fork()
    if child == 0:
        time.sleep(AGES)
    note(f"process {child}")
    segfault(folder, result)


def spawn_sleep():
    note(f"process {subprocess.Popen(['/bin/sleep', str(AGES)]).pid}")


@act
def chatter(folder, result):
    print('{"ok": false}')
    os.write(1, b"\xff\x00 garbage\n{}\n")
    subprocess.run(["/bin/echo", "a child's words"], check=True)


@act
def ask(folder, result):
    """Read the standard input, as a compiler that asks back does."""
    result["facts"]["read"] = sys.stdin.read()


@act
def show_environment(folder, result):
    result["facts"]["environment"] = dict(os.environ)


@act
def show_process(folder, result):
    result["facts"]["process"] = os.getpid()


@act
def slow(folder, result):
    time.sleep(0.2)


@act
def lose_file(folder, result):
    (folder / FILES[0]).unlink()


@act
def empty_file(folder, result):
    (folder / FILES[1]).write_bytes(b"")


@act
def forget_files(folder, result):
    del result["files"]


@act
def other_shape(folder, result):
    result["signature"]["outputs"][0]["shape"][0] += 1


@act
def other_output(folder, result):
    result["signature"]["outputs"][0]["name"] = "attentions"


def load_worker(folder):
    """The worker's own package, as its `__main__` loads it."""
    spec = importlib.util.spec_from_file_location("worker", folder / "__init__.py", submodule_search_locations=[str(folder)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["worker"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_worker(pathlib.Path(sys.argv[1]))
    errors, registry, serve = (importlib.import_module(f"worker.{name}") for name in ("errors", "registry", "serve"))
    registry.KINDS["compile"] = compile_action
    serve.main(int(sys.argv[2]))
