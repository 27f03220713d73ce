"""Models on the Hugging Face Hub, or in what its local cache already holds.

The Hub names the SHA-256 of each large file, so a model is pinned without downloading its weights.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, errors, hf_hub_download, try_to_load_from_cache

from neuronbuild.artifact.snapshot import Model, Snapshot, is_weight, is_weight_index
from neuronbuild.digest import Digest, is_hex_digest
from neuronbuild.errors import SourceError
from neuronbuild.files import read_plain
from neuronbuild.source.base import Source, open_checkpoint
from neuronbuild.source.files import MODELS, layout_of, select_files
from neuronbuild.source.sentences import place_model
from neuronbuild.source.shards import LostShardsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.source.digests import DigestMemory
    from neuronbuild.source.files import Layout

logger = logging.getLogger(__name__)

# HTTPError: the base of all that the transport raises, whichever transport this release of the client is built on.
# RuntimeError: how the Xet downloader reports a network that fails. The last three: answers that make no sense.
CLIENT_ERRORS = (errors.HTTPError, OSError, RuntimeError, ValueError, KeyError, TypeError)

IDS = "ids read `organisation/name`, and a folder's path starts with ./ or /"
REFUSALS: tuple[tuple[type[Exception], str, str], ...] = (
    (errors.HFValidationError, "that can't be a model's id", IDS),
    (errors.GatedRepoError, "it is gated", "accept its terms at {page}, then set HF_TOKEN to a token of the same account"),
    (errors.DisabledRepoError, "the Hub has disabled it", "its page may say why: {page}"),
    (errors.RepositoryNotFoundError, "the Hub has no such model, or it is private", "a private one needs HF_TOKEN; " + IDS),
    (errors.RevisionNotFoundError, "it has no revision {revision!r}", "its branches, tags and commits: {page}/commits/main"),
)
STATUS_HINTS = {
    401: "HF_TOKEN, or the token that `hf auth login` saved, isn't valid: replace it",
    403: "give the token in HF_TOKEN the right to read this model",
    429: "wait a few minutes; with HF_TOKEN set the Hub allows more requests",
}
OTHER_HINT = "check the model's id, the revision and HF_ENDPOINT"
DELETE = "delete {path} and run the same command again"
FETCH = "where the Hub can be reached, run `hf download {reference} --revision {revision}`"


@dataclass(frozen=True, slots=True)
class _Listing:
    """One commit as the Hub describes it; files that it keeps in git have no digest yet."""

    commit: str
    files: Mapping[str, Digest | None]
    license: str | None
    gated: bool


@final
class HubSource(Source):
    """Ids of the form `organisation/name`. Where the Hub can't be asked, its local cache answers for it."""

    def __init__(self, memory: DigestMemory, *, offline: bool = False) -> None:
        self._memory, self._offline = memory, offline

    def resolve(
        self,
        reference: str,
        revision: str | None,
        *,
        trust_remote_code: bool = False,
        layouts: tuple[Layout, ...] = MODELS,
    ) -> Model:
        """Pin the commit that the revision points at, by default the one of `main`."""
        revision = revision or constants.DEFAULT_REVISION
        if self._offline:
            return self._without_hub(reference, revision, "local_files_only is set", layouts, trusted=trust_remote_code)
        try:
            listing = _ask(reference, revision)
        except CLIENT_ERRORS as error:
            if refusal := _refusal(reference, revision, error):
                raise refusal from None
            if not isinstance(error, errors.OfflineModeIsEnabled):
                logger.warning("%s; going by the local cache for model %s", _problem(error), reference)
            return self._without_hub(reference, revision, _problem(error), layouts, trusted=trust_remote_code)
        return self._from_hub(reference, revision, listing, layouts, trusted=trust_remote_code)

    def _from_hub(
        self, reference: str, revision: str, listing: _Listing, layouts: tuple[Layout, ...], *, trusted: bool
    ) -> Model:
        layout = layout_of(listing.files, layouts)

        def first(name: str) -> Path:
            return _download_first(reference, name, revision, listing.commit)

        placing = place_model(reference, layout, lambda name: read_plain(first(name)))
        places, layout = placing.places(reference, listing.files), placing.layout

        def path_of(name: str) -> Path:
            return first(places[name]) if name == layout.document else _download(reference, places[name], listing.commit)

        config, names = open_checkpoint(reference, places, layout, path_of, trusted=trusted)
        if layout.document is None:
            first(names[0])
        files = {
            name: listing.files[places[name]]
            or self._fetched_digest(reference, _download(reference, places[name], listing.commit))
            for name in names
        }
        return self._model(Snapshot(reference, listing.commit, files, listing.license, listing.gated), config, places)

    def _without_hub(self, reference: str, revision: str, problem: str, layouts: tuple[Layout, ...], *, trusted: bool) -> Model:
        try:
            return self._from_cache(reference, revision, problem, layouts, trusted=trusted)
        except (OSError, ValueError) as error:
            hint = f"check the files and their permissions in {constants.HF_HUB_CACHE}"
            raise SourceError(reference, f"{problem}, and the local cache can't be read: {error}", hint=hint) from None

    def _from_cache(self, reference: str, revision: str, problem: str, layouts: tuple[Layout, ...], *, trusted: bool) -> Model:
        hint = FETCH.format(reference=reference, revision=revision)
        signs = [(layout, layout.document or layout.weights[0][0]) for layout in layouts]
        cached = [(layout, try_to_load_from_cache(reference, sign, revision=revision)) for layout, sign in signs]
        layout, found = next(((each, path) for each, path in cached if isinstance(path, str)), (layouts[-1], None))
        if found is None:
            raise SourceError(reference, f"{problem}, and the local cache has no revision {revision!r} of it", hint=hint)
        folder = Path(found).parent
        placing = place_model(reference, layout, lambda name: read_plain(folder / name))
        present = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        places, layout = placing.places(reference, present), placing.layout
        selected = select_files(places, code=False, layout=layout)
        lacks = f"{problem}, and the local cache has no usable {{}} of it"
        if not any(is_weight(name) or is_weight_index(name) for name in selected):
            raise SourceError(reference, lacks.format("weights"), hint=hint)
        try:
            config, names = open_checkpoint(reference, places, layout, lambda name: folder / places[name], trusted=trusted)
        except LostShardsError as error:
            raise SourceError(reference, lacks.format(", ".join(error.names)), hint=hint) from None
        files = {name: self._cached_digest(folder / places[name]) for name in names}
        return self._model(Snapshot(reference, folder.name, files), config, places)

    def _cached_digest(self, path: Path) -> Digest:
        # Only the first link's target is named by the SHA-256. It can itself be a link into the store that repositories
        # share, and there names are Xet hashes: of the same length, but not of the bytes.
        name = path.readlink().name if path.is_symlink() else ""
        return Digest(name, path.stat().st_size) if is_hex_digest(name) else self._memory.digest(path)

    def _fetched_digest(self, reference: str, path: Path) -> Digest:
        try:
            return self._memory.digest(path)
        except OSError as error:
            raise SourceError(reference, f"{path} can't be read: {error.strerror}", hint=DELETE.format(path=path)) from None

    def _model(self, snapshot: Snapshot, config: Mapping[str, object], places: Mapping[str, str]) -> Model:
        def open_file(name: str) -> Path:
            path = _download(snapshot.model, places[name], str(snapshot.revision))
            if self._fetched_digest(snapshot.model, path) != snapshot.files[name]:
                problem = f"{name} in the local cache holds other bytes than were pinned"
                raise SourceError(snapshot.model, problem, hint=DELETE.format(path=path.resolve()))
            return path

        return Model(snapshot, config, open_file, immutable=True)


def _ask(reference: str, revision: str) -> _Listing:
    # Without a timeout of its own, this request would wait for as long as the other side keeps the connection.
    info = HfApi().model_info(reference, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    files = {entry.rfilename: Digest(entry.lfs.sha256, entry.lfs.size) if entry.lfs else None for entry in info.siblings or ()}
    license_name = info.card_data.license if info.card_data else None
    return _Listing(str(info.sha), files, str(license_name) if license_name else None, bool(info.gated))


def _download_first(reference: str, name: str, revision: str, commit: str) -> Path:
    # Asked for by a branch's name, the client also notes the branch in its cache, where offline work looks it up.
    path = _download(reference, name, revision)
    return path if path.parent.name == commit else _download(reference, name, commit)


def _download(reference: str, name: str, revision: str) -> Path:
    try:
        return Path(hf_hub_download(reference, name, revision=revision))
    except CLIENT_ERRORS as error:
        # "Not found locally" says what came of it; why is in its cause.
        cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
        refusal = _refusal(reference, revision, cause)
        hint = FETCH.format(reference=reference, revision=revision)
        raise refusal or SourceError(reference, f"{name} can't be fetched: {_problem(cause)}", hint=hint) from None


def _refusal(reference: str, revision: str, error: BaseException) -> SourceError | None:
    """What the Hub said no to; `None` where it couldn't be asked."""
    page = f"{_endpoint()}/{reference}"
    for kind, problem, hint in REFUSALS:
        if isinstance(error, kind):
            return SourceError(reference, problem.format(revision=revision), hint=hint.format(page=page))
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code < 500:  # noqa: PLR2004 (servers' faults)
        status = error.response.status_code
        return SourceError(reference, f"{_endpoint()} answered HTTP {status}", hint=STATUS_HINTS.get(status, OTHER_HINT))
    return None


def _problem(error: BaseException) -> str:
    """Why the Hub couldn't be asked. Never in the client's own words: they can quote headers, and so the token."""
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.HfHubHTTPError):
        return f"{_endpoint()} answered HTTP {error.response.status_code}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, errors.HTTPError):
        return f"{_endpoint()} can't be reached ({_reason(error)})"
    return f"what {_endpoint()} sent can't be used ({_reason(error)})"


def _reason(error: BaseException) -> str:
    """The operating system's words for it, where there are any."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, TimeoutError):
            return "no answer in time"
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__cause__ or link.__context__
    return type(error).__name__


def _endpoint() -> str:
    """The Hub's address without a password that it may hold."""
    parts = urlsplit(str(constants.ENDPOINT))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
