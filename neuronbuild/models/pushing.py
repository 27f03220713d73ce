"""What a call of `push_to_hub` means, in our words or in optimum-neuron's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from neuronbuild.errors import UsageError
from neuronbuild.recipe.idle import refuse_others

CALL = "push_to_hub"
ARGUMENTS = ("repo_id", "repository_id", "save_directory", "private", "revision", "token", "use_auth_token", "endpoint")


@dataclass(frozen=True, slots=True)
class Push:
    """Where a release goes, and with which token (`True`, as `None`: the one in HF_TOKEN, or that was saved).

    `folder` is one that the release was saved to, if the call names one.
    """

    repo: str
    folder: str | None = None
    private: bool | None = None
    revision: str | None = None
    token: bool | str | None = None
    endpoint: str | None = None


def read_push(place: object, repository_id: object, said: dict[str, Any]) -> Push:
    """`push_to_hub(repository)`, or `push_to_hub(folder, repository_id=repository)`.

    Raises:
        UsageError: no repository is named, an argument is unknown, or two say the same.
    """
    refuse_others(CALL, [name for name in said if name not in ARGUMENTS], ARGUMENTS)
    folder = said.pop("save_directory", None)
    repo = place if repository_id is None else repository_id
    if repository_id is not None and place is not None:
        folder = _one("the folder", folder, place)
    if not isinstance(repo, str) or not repo:
        raise UsageError(f"{CALL}: no repository is named", hint="call push_to_hub('organisation/name')")
    token = _one("token and use_auth_token", said.pop("token", None), said.pop("use_auth_token", None))
    told = {name: value for name, value in said.items() if value is not None}
    return Push(repo, os.fspath(folder) if folder is not None else None, token=token, **told)


def _one(what: str, *values: Any) -> Any:  # noqa: ANN401 (of the type of what is given)
    """What is said in one of several words for a thing.

    Raises:
        UsageError: they say different things.
    """
    said = [value for value in values if value is not None]
    if any(value != said[0] for value in said):
        raise UsageError(f"{CALL}: {what} can't be two things: give one of them")
    return said[0] if said else None
