"""Every error that a person can cause or meet: what happened, where, and what to do.

Constructors take values and write the message. Only `cli` turns an error into an exit status. Code that puts an error into
another one's message takes its `message`: the hint is for whoever meets the error itself.
Anything raised that isn't a `NeuronBuildError` is a bug and may crash loudly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


PASSWORD = re.compile(
    r"""(//|%2f%2f|(?:https?:|endpoint_url=)/?(?!https?(?:://?|%3a)|/))  # the start of an address, or what was meant as one
        (?: [^\s"'/?#&]+                            # a user, and maybe a password, as addresses should be written
          | [^\s"'/?#&=@:]+ (?: :|%3a ) (?! \d+ (?: [/?&#\s"'] | $ ) ) [^\s"']*  # a password with slashes, but no port
        ) (?: @|%40 )""",
    re.IGNORECASE | re.VERBOSE,
)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def hide_passwords(text: str) -> str:
    """A text without the users and passwords of the addresses in it (`http://user:password@host`)."""
    return PASSWORD.sub(r"\1***@", text) if "@" in text or "%40" in text else text


class NeuronBuildError(Exception):
    """An expected failure: what happened as `message`, what to do as `hint`, and both as `str(error)`.

    `others` are further failures that end the same call, and are told in the same text. None shows a password of an address.
    """

    exit_code: ClassVar[int] = 1
    others: tuple[NeuronBuildError, ...] = ()

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = hide_passwords(message)
        self.hint = None if hint is None else hide_passwords(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        own = f"{self.message}\n  hint: {self.hint}" if self.hint else self.message
        return "\n".join([own, *map(str, self.others)])


def together(errors: Sequence[NeuronBuildError]) -> NeuronBuildError:
    """The first of some errors, which tells the others as well."""
    first, *others = errors
    first.others = tuple(others)
    return first


class UsageError(NeuronBuildError):
    """A command or call that can't mean anything."""

    exit_code = 2


class LockError(NeuronBuildError):
    """A lock that can't be used, or that the present has drifted from."""

    exit_code = 2

    def __init__(self, path: str, problem: str, *, hint: str | None = None) -> None:
        self.path = path
        super().__init__(f"lock {path}: {problem}", hint=hint)


class NotBuiltError(NeuronBuildError):
    """Artifacts that are in no store, where nothing is to be compiled."""

    def __init__(self, misses: Sequence[str]) -> None:
        self.misses = tuple(misses)
        listing = "\n  ".join(self.misses)
        hint = "run `neuronbuild apply` on a machine that compiles, with the same lock and the same far store"
        super().__init__(f"{len(self.misses)} not compiled yet:\n  {listing}", hint=hint)


@dataclass(frozen=True, slots=True, order=True)
class Issue:
    """One fault in one recipe file; lines and columns count from 1, as editors do."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class RecipeError(NeuronBuildError):
    """Everything that is wrong in the recipes given, all of it at once."""

    exit_code = 2

    def __init__(self, issues: Iterable[Issue], *, hint: str | None = None) -> None:
        self.issues = tuple(sorted(set(issues)))
        super().__init__("\n".join(map(str, self.issues)), hint=hint)


class SourceError(NeuronBuildError):
    """A model that can't be found, reached or used."""

    exit_code = 3

    def __init__(self, model: str, problem: str, *, hint: str | None = None) -> None:
        self.model = model
        super().__init__(f"model {model}: {problem}", hint=hint)


class UnsupportedModelError(SourceError):
    """A model that was found, and that would be another one as a build takes it than as its library loads it."""


class SourcesError(SourceError):
    """Everything that is wrong with the models of the recipes given, each at its place, with its hint, all at once."""

    def __init__(self, faults: Sequence[tuple[Issue, str | None]]) -> None:
        self.issues = tuple(issue for issue, _ in faults)
        hints = {hint for _, hint in faults if hint}
        lines = [f"{issue}\n  hint: {hint}" if hint and len(hints) > 1 else str(issue) for issue, hint in faults]
        NeuronBuildError.__init__(self, "\n".join(lines), hint=hints.pop() if len(hints) == 1 else None)


NEWER = "recorded by a newer version of neuronbuild"
"""What a plan says of an action whose record this version can't read."""


class StoreError(NeuronBuildError):
    """A store that can't be read or written."""

    exit_code = 4

    def __init__(self, location: str, problem: str, *, hint: str | None = None) -> None:
        self.location = hide_passwords(location)
        self.problem = hide_passwords(problem)
        super().__init__(f"store {location}: {problem}", hint=hint)


class StoreOutageError(StoreError):
    """A store that doesn't answer, or can't for now."""

    def __init__(self, location: str, cause: StoreError) -> None:
        self.cause = cause
        super().__init__(location, cause.problem, hint=cause.hint)


class StoreBusyError(StoreError):
    """A store that answered, and wants to be asked again later, or more slowly."""


class DestinationError(StoreError):
    """A place outside the store that can't take a blob: no fault of the store's. `cause` is the system's own error."""

    def __init__(self, location: str, destination: str, cause: OSError) -> None:
        self.cause = cause
        super().__init__(location, f"{destination} can't be written: {cause.strerror or cause}")


class DamageError(StoreError):
    """Something in a store that isn't what it should be."""


class ManifestRefusedError(DamageError):
    """A manifest that is gone, or can't be read or trusted."""

    def __init__(self, location: str, key: str, reason: str) -> None:
        self.key = key
        super().__init__(location, f"artifact {key}: {reason}", hint="`neuronbuild cache verify` tells more")


class ForeignRecordError(StoreError):
    """A shared store's record that somebody else signed: whoever doesn't trust that key leaves it where it is."""

    def __init__(self, location: str, key: str, signers: Sequence[str]) -> None:
        self.key = key
        hint = "list that key under `trusted_keys`, or give each team a store of its own (another prefix)"
        problem = f"it has another build of {key[:12]}, signed by {', '.join(signers)}, which isn't trusted here: it stays"
        super().__init__(location, problem, hint=hint)


class BlobMissingError(DamageError):
    """A blob that a manifest names and the store has not."""

    def __init__(self, location: str, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(
            location, f"blob {sha256} is missing", hint="run `neuronbuild apply` again: it rebuilds what is missing"
        )


class BlobCorruptError(DamageError):
    """Bytes that don't match the digest they are stored under. They have been put aside."""

    def __init__(self, location: str, sha256: str, actual: str) -> None:
        self.sha256 = sha256
        self.actual = actual
        super().__init__(
            location,
            f"blob {sha256} holds other bytes ({actual})",
            hint="the damaged file was moved to quarantine/; run `neuronbuild apply` again, it rebuilds what is missing",
        )


class NewerRecordError(StoreError):
    """A record that a newer version wrote: neither damage nor a miss, and not to be written over."""

    def __init__(self, location: str, key: str) -> None:
        self.key = key
        hint = "install a newer neuronbuild, or name another store with --cache"
        super().__init__(location, f"{key} is {NEWER}", hint=hint)


class ToolchainError(NeuronBuildError):
    """A compiler that is missing or can't do what is asked."""

    exit_code = 5

    def __init__(self, toolchain: str, problem: str, *, hint: str | None = None) -> None:
        self.toolchain = toolchain
        super().__init__(f"toolchain {toolchain}: {problem}", hint=hint)


class ReleaseError(NeuronBuildError):
    """A release folder that can't be written, read or trusted."""

    exit_code = 6

    def __init__(self, folder: str, problem: str, *, hint: str | None = None) -> None:
        self.folder = folder
        super().__init__(f"release {folder}: {problem}", hint=hint)


class ShapeError(NeuronBuildError, ValueError):
    """Inputs that fit no compiled shape. Also a `ValueError`, as callers of transformers expect."""

    exit_code = 6

    def __init__(self, given: str, compiled: Sequence[str], *, hint: str | None = None) -> None:
        self.given = given
        self.compiled = tuple(compiled)
        listing = "; ".join(self.compiled)
        super().__init__(f"inputs of {given} fit no compiled shape (compiled: {listing})", hint=hint)


class InputError(NeuronBuildError, ValueError):
    """Model inputs that are missing, unknown or of the wrong kind."""

    exit_code = 6
