"""A toolchain whose compiles are a few bytes, in real processes, with mishaps on demand; and plans for it without a model.

As a script, one build in a process of its own: `python -m tests.doubles.toolchain FOLDER STEPS JOBS [ACTS]`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from neuronbuild.artifact.action import CompileAction, CompilerPart, InputPart, ModelPart, action_key
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.shape import Shape
from neuronbuild.build.builder import Place
from neuronbuild.build.executor import Executor, InterruptedBuildError
from neuronbuild.build.progress import Progress
from neuronbuild.build.report import Outcome
from neuronbuild.build.workbench import Workbench
from neuronbuild.errors import NeuronBuildError
from neuronbuild.plan.action import KeyedAction
from neuronbuild.plan.planner import Plan, make_plan
from neuronbuild.recipe.target import Options, Target
from neuronbuild.store.base import BuildStore
from neuronbuild.store.lease import TTL
from neuronbuild.store.location import Remote, open_layers
from neuronbuild.toolchain.base import WORKER_SETTINGS, Toolchain, WorkerCommand
from tests.limits import SOON

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("fake_worker.py")
FILES = ("model.pt2", "constants.safetensors")
PATIENCE = SOON


@final
class FakeToolchain(Toolchain):
    """Compiles for `cpu` without a compiler. `acts` says what goes wrong at which step, in `fake_worker`'s words."""

    name: ClassVar[str] = "fake"

    own_process: tuple[str, ...] = ()
    """Kinds of jobs that get a process of their own."""

    def __init__(self, folder: Path, acts: dict[int, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.diary = folder / "diary"
        self.diary.touch()
        self.acts = acts or {}
        self.interpreter = folder / "interpreter"
        if not self.interpreter.exists():
            self.interpreter.write_text(f"#!{sys.executable} -IS\n{WORKER.read_text()}")
            self.interpreter.chmod(0o755)

    def fingerprint(self, platform: str) -> Fingerprint:
        return Fingerprint(self.name, platform, {"fake": "1.0"}, {"level": 1})

    def options(self, options, model) -> CompilerPart:
        return CompilerPart(optlevel=options.optlevel)

    def runs_here(self, platform: str) -> bool:
        return True

    def preflight(self) -> None:
        """Nothing can be missing."""

    def worker(self) -> WorkerCommand:
        acts = json.dumps(self.acts)
        environment = {"FAKE_ACTS": acts, "FAKE_DIARY": str(self.diary), "LC_ALL": "C.UTF-8", **WORKER_SETTINGS}
        return WorkerCommand(str(self.interpreter), environment, self.name, self.own_process)

    def fault(self, folder: Path, files: list[str], action) -> str | None:
        bad = [
            name for name in FILES if name not in files or not (folder / name).is_file() or not (folder / name).stat().st_size
        ]
        return f"the compiler left no usable {bad[0]}" if bad else None

    def let_go(self) -> None:
        """Let the steps go on whose act is to wait."""
        self.diary.with_name("go").touch()

    def compiles(self) -> list[int]:
        """The steps that were compiled, or tried, in that order."""
        return self._noted("compile")

    def processes(self) -> list[int]:
        """Every process that a compile said it was, or started."""
        return self._noted("process")

    def _noted(self, word: str) -> list[int]:
        lines = [line.split() for line in self.diary.read_text().splitlines()]
        return [int(value) for key, value in lines if key == word]


OPTIONS = Options("cpu", "none", "bf16", 2, (), "separate", "float32", 1, dynamic_batch_size=False)


def fake_action(step: int) -> tuple[Target, KeyedAction]:
    """What step number `step` compiles: the number is its batch size."""
    shape = Shape((("batch_size", step), ("sequence_length", 16)))
    record = CompileAction(
        task="fill-mask",
        model=ModelPart("AutoModelForMaskedLM", {"model_type": "bert"}),
        graph="forward",
        shape=shape.as_dict(),
        inputs=tuple(InputPart(name, "int64", (step, 16)) for name in ("input_ids", "attention_mask")),
        weights="separate",
        dtype="float32",
        compiler=CompilerPart(optlevel=2),
        toolchain=Fingerprint("fake", "cpu", {"fake": "1.0"}, {"level": 1}),
    )
    return Target("fake", "./model", "fill-mask", "forward", shape, OPTIONS), KeyedAction(record, action_key(record))


def fake_plan(steps: int | list[int], store: BuildStore) -> Plan:
    """A plan of that many steps, or of just those, against what the store has."""
    numbers = range(1, steps + 1) if isinstance(steps, int) else steps
    actions = [fake_action(number) for number in numbers]
    return make_plan(actions, store.known({action.key for _, action in actions}))


class Recorder(Progress):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.planned_steps: list[int] = []
        self.started_steps: list[int] = []
        self.outcomes: list[Outcome] = []
        self.notes: list[str] = []

    def planned(self, plan: Plan) -> None:
        self.planned_steps = [number_of(step) for step in plan.steps]

    def started(self, step) -> None:
        self.started_steps.append(number_of(step))

    def finished(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, file=sys.stderr, flush=True)


def number_of(step) -> int:
    """A step's number."""
    return step.target.shape.as_dict()["batch_size"]


@dataclass
class Site:
    """A folder to build in, with its store, its toolchain, and what was told during the last build."""

    folder: Path
    acts: dict[int, str] = field(default_factory=dict)
    timeout: float = PATIENCE
    location: str = ""
    remote: str = ""
    lease: float = TTL

    def __post_init__(self) -> None:
        remotes = [Remote(self.remote)] if self.remote else []
        self.store = open_layers(self.location or str(self.folder / "store"), remotes, ttl=self.lease)
        self.toolchain = FakeToolchain(self.folder / "toolchain", self.acts)
        self.progress = Recorder()

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def build(self, steps: int | list[int], *, jobs: int = 1, keep_going: bool = False) -> tuple[Outcome, ...]:
        """Carry out a plan of fake steps."""
        with Workbench(self.work, self.timeout) as bench:
            executor = Executor(
                {("inductor", "cpu"): self.toolchain},
                Place(self.store, bench, self.folder / "logs"),
                self.progress,
                keep_going=keep_going,
            )
            try:
                plan = fake_plan(steps, self.store)
                if self.store.prefetch([step.action.key for step in plan.steps if step.state == "hit"]):
                    plan = fake_plan(steps, self.store)
                return executor.run(plan, jobs)
            finally:
                for line in self.store.close():
                    self.progress.note(line)

    def start(self, steps: int, *, jobs: int = 1) -> subprocess.Popen[str]:
        """The same in a process of its own: `finish` gives what came of it."""
        text = [str(self.folder), str(steps), str(jobs), json.dumps(self.acts), self.location, self.remote, str(self.lease)]
        command = [sys.executable, "-m", "tests.doubles.toolchain", *text]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kinds(outcomes: tuple[Outcome, ...]) -> list[str]:
    """What came of each step, in a word."""
    return [outcome.kind for outcome in outcomes]


def finish(process: subprocess.Popen[str]) -> dict:
    """What a build in another process said: its exit status, outcomes by word, error and hint."""
    out, err = process.communicate(timeout=PATIENCE)
    assert out, err
    return json.loads(out)


def wait_until(true, *, seconds: float = PATIENCE) -> None:
    """Look again and again; fail when it takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def is_gone(process: int) -> bool:
    """Whether a process has ended: one that nobody waits for is as good as gone."""
    return state_of(process) in {None, "Z"}


def state_of(process: int) -> str | None:
    """The letter that the kernel has for what a process is doing, or `None` if there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def main(folder: str, steps: str, jobs: str, acts: str, *stores: str) -> None:
    """Build, and print what came of it as JSON. Ctrl-C counts even where a shell in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    location, remote, lease = stores
    site = Site(
        Path(folder),
        {int(step): act for step, act in json.loads(acts).items()},
        location=location,
        remote=remote,
        lease=float(lease),
    )
    said: dict[str, object] = {"status": 0}
    try:
        said["outcomes"] = kinds(site.build(int(steps), jobs=int(jobs)))
    except InterruptedBuildError as error:
        said |= {"status": error.exit_code, "outcomes": kinds(error.outcomes), "hint": error.hint}
    except NeuronBuildError as error:
        said |= {"status": error.exit_code, "error": type(error).__name__, "message": error.message, "hint": error.hint}
    print(json.dumps(said | {"notes": site.progress.notes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
