"""Releases by their names: found in folders and on the Hub, copied, and pushed."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.errors import ReleaseError, SourceError, UsageError, first_line
from neuronbuild.runtime.reader import read_release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.models.pushing import Push
    from neuronbuild.runtime.reader import ReleaseFolder

EXPORT = "to compile a model, pass export=True"
LOST = f"name a folder that `neuronbuild apply` wrote; {EXPORT}"


def find_release(model: str, revision: str | None, *, offline: bool = False) -> Path:
    """A local folder, or the local copy of a release on the Hub; `offline`: one that is there already.

    Raises:
        ReleaseError: there is no such folder, or it holds no release; on the Hub there is a model of that name, and no release.
        SourceError: the Hub can't be reached, or has nothing of that name.
        UsageError: a revision is given for a folder.
    """
    place = _existing(model)
    if place is not None and place.is_dir():
        if revision is not None:
            raise UsageError(f"from_pretrained: {model} is a folder, and only releases on the Hub have revisions")
        if _existing(str(place / FILENAME)) is None:
            raise ReleaseError(model, f"it is no release: it has no {FILENAME}", hint=LOST)
        return place
    if place is not None:
        raise ReleaseError(model, "it is a file, and no release folder", hint=LOST)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ReleaseError(model, "there is no such folder", hint=LOST)
    return _fetch(model, revision, offline=offline)


def _existing(model: str) -> Path | None:
    """The folder or file of that name, if there is one.

    Raises:
        ReleaseError: it may not be looked at.
    """
    try:
        path = Path(model).expanduser()
        return path if path.exists() else None
    except PermissionError as error:
        hint = "ask its owner for the right to read it"
        raise ReleaseError(model, f"it can't be read: {error.strerror}", hint=hint) from None
    except (OSError, RuntimeError, ValueError):  # no name that a folder could have
        return None


def _fetch(model: str, revision: str | None, *, offline: bool) -> Path:
    """A release on the Hub: its index first, since without one it is a model, whose weights would be fetched for nothing."""
    import huggingface_hub
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
    )

    place = "in the Hub's local cache" if offline else "on the Hub that can be reached"
    problem = f"there is no such folder, and no such release {place}"
    try:
        huggingface_hub.hf_hub_download(model, FILENAME, revision=revision, local_files_only=offline)
        return Path(huggingface_hub.snapshot_download(model, revision=revision, local_files_only=offline))
    except LocalEntryNotFoundError:
        raise SourceError(model, problem, hint=EXPORT) from None
    except EntryNotFoundError:
        raise ReleaseError(model, f"it is no release: it has no {FILENAME} on the Hub", hint=EXPORT) from None
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError):
        raise SourceError(model, problem, hint=EXPORT) from None


def files_of(index: ReleaseIndex) -> list[str]:
    """The files of a release: its index, and what that lists. Others that lie in its folder are none of its."""
    return [FILENAME, *(file.path for file in index.files)]


def copy_release(source: Path, names: Iterable[str], target: Path) -> None:
    """Copy the named files of a release, all or none, to a folder that isn't there yet, is empty, or holds a release.

    Raises:
        ReleaseError: the folder holds something else, lies in the release, or can't be written.
    """
    from neuronbuild.release.folder import foreign_file
    from neuronbuild.release.swap import put_in_place

    place = target.resolve()
    if place == source.resolve():
        return
    if place.is_relative_to(source.resolve()):
        raise ReleaseError(str(target), "it lies in the release that is saved", hint="name another folder")
    fresh = place.with_name(f".{place.name}.{os.getpid()}.saving")
    try:
        found = foreign_file(place) if place.is_dir() else None
        if found is not None:
            raise ReleaseError(str(target), f"the folder isn't empty: it holds {found}", hint="name another folder")
        if place.exists() and not place.is_dir():
            raise ReleaseError(str(target), "can't be written: it is a file", hint="name another folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        for name in names:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, fresh / name)
        put_in_place(fresh, place)
    except OSError as error:
        raise ReleaseError(str(target), f"can't be written: {error}", hint="name another folder") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def find_saved(folder: str, release: ReleaseFolder) -> Path:
    """A folder that a loaded release was saved to, once that is known to be so.

    Raises:
        ReleaseError: it holds no release, another one, or one that was altered.
    """
    hint = "call save_pretrained() with this folder first, or load the release in it and push that"
    place = _existing(folder)
    if place is None or _existing(str(place / FILENAME)) is None:
        raise ReleaseError(folder, f"there is no release in it: it has no {FILENAME}", hint=hint)
    if read_release(place).index != release.index:
        raise ReleaseError(folder, "it holds another release than the one that is pushed", hint=hint)
    return place


def push_release(folder: Path, names: Iterable[str], push: Push) -> str:
    """Upload the named files of a release in one commit, and give the commit's address. A missing repository is made.

    Raises:
        SourceError: the Hub can't be reached, or refuses it.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

    api = huggingface_hub.HfApi(endpoint=push.endpoint, token=push.token)
    try:
        made = api.create_repo(push.repo, private=push.private, exist_ok=True)
        done = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            allow_patterns=[glob.escape(name) for name in names],
            revision=push.revision,
            commit_message=f"Upload {folder.name} by neuronbuild",
        )
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError, ValueError) as error:
        problem = f"the release can't be pushed: {first_line(error)}"
        raise SourceError(push.repo, problem, hint="set HF_TOKEN to a token that may write there") from None
    return str(done.commit_url)
