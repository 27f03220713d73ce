"""Jobs of a release in a worker: over a folder that holds just the snapshot's files, linked in place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

from neuronbuild.build.model_files import linked_model
from neuronbuild.build.report import MEMORY, StepError
from neuronbuild.build.scratch import ScratchError
from neuronbuild.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.build.workbench import Workbench
    from neuronbuild.toolchain.base import Toolchain


@final
class ReleaseJobs:
    """Runs conversions and checks for one release on a workbench."""

    def __init__(
        self, name: str, toolchain: Toolchain, bench: Workbench, logs: Path, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self._name = name
        self._toolchain = toolchain
        self._bench = bench
        self._logs = logs
        self._note = note

    def __call__(
        self, job: dict[str, object], model: Model, keep: Callable[[Path, Mapping[str, object], float], Manifest]
    ) -> Manifest:
        """Run a job, and hand what came of it to `keep`. What a second try may mend is tried again, as in a compile.

        Raises:
            ReleaseError: the job failed; the message is the worker's.
        """
        done = self._try(job, model, keep)
        if isinstance(done, StepError) and (done.may_pass or done.kind == MEMORY):
            self._note(f"release {self._name}: {done.message}; trying once more")
            again = self._try(job, model, keep)
            done = again.after(done) if isinstance(again, StepError) else again
        if isinstance(done, StepError):
            raise ReleaseError(self._name, done.message, hint=f"the log is in {done.log}" if done.log else None)
        return done

    def _try(
        self, job: dict[str, object], model: Model, keep: Callable[[Path, Mapping[str, object], float], Manifest]
    ) -> Manifest | StepError:
        try:
            with self._bench.folder() as folder:
                place = folder / "model"
                identity = model.snapshot.digest.sha256
                with linked_model(model, place):
                    answer = self._bench.run(self._toolchain, {**job, "model": str(place), "identity": identity}, folder)
                if answer.error is None:
                    return keep(folder, answer.result, answer.seconds)
                return replace(answer.error, log=self._keep_log(str(job["kind"]), answer.log))
        except ScratchError as error:
            return error.as_step_error

    def _keep_log(self, kind: str, log: bytes) -> str | None:
        path = self._logs / f"{self._name}-{kind}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(log)
        except OSError:
            return None  # a full disk must not hide the failure itself
        return str(path)


@final
class NoJobs:
    """What runs jobs where nothing is to be run."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(
        self, job: dict[str, object], model: Model, keep: Callable[[Path, Mapping[str, object], float], Manifest]
    ) -> Manifest:
        """Refuse.

        Raises:
            ReleaseError: always; a store that has all that a release needs never comes here.
        """
        del keep
        problem = f"the {job['kind']} of {model.snapshot.model} isn't in the store, and nothing is to be run here"
        raise ReleaseError(
            self._name, problem, hint="run `neuronbuild apply` where it can be compiled, with the same far store"
        )
