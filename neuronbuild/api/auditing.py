"""Whether a release folder holds what its index lists, and who signed that: for machines that only run it.

Needs the folder and the keys that are trusted: no workspace, store, recipe or model.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.manifest import FILENAME as MANIFEST
from neuronbuild.artifact.manifest import FORMAT, Manifest
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.counts import counted
from neuronbuild.digest import Digest, digest_file
from neuronbuild.files import read_plain
from neuronbuild.intact import NOT_READ
from neuronbuild.runtime.reader import PACKAGE, read_index
from neuronbuild.store.trust import RELEASE, check_public_key, signers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from neuronbuild.artifact.manifest import Signed
    from neuronbuild.artifact.release_index import Bucket


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a release folder.

    `signers` are the public keys that signed the index, which lists every file; `code_signers` those that signed the record of
    each compiled shape.
    """

    folder: Path
    files: int
    size: int
    signers: tuple[str, ...]
    code_signers: tuple[str, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """As `release verify --json` prints it."""
        counts = {"files": self.files, "bytes": self.size}
        signed = {"signed_by": list(self.signers), "code_signed_by": list(self.code_signers)}
        return {"version": 1, "folder": str(self.folder), **counts, **signed, "problems": list(self.problems)}


def audit_release(folder: Path, trusted_keys: Sequence[str] = ()) -> Audit:
    """Read every byte of a release, and check it. Where keys are given, one of them must have signed all of it.

    Raises:
        ReleaseError: it is no release, or its index can't be read.
        UsageError: a key is none.
    """
    keys = tuple(map(check_public_key, trusted_keys))
    index = read_index(folder)
    listed = {file.path: Digest(file.sha256, file.size) for file in index.files}
    problems = [problem for path, digest in listed.items() if (problem := _fault(folder / path, path, digest)) is not None]
    problems += [f"{path} isn't listed in its {FILENAME}" for path in _unlisted(folder, listed)]
    code = [_code_signers(folder, bucket, listed, problems) for bucket in index.buckets]
    common = set(code[0]).intersection(*code) if code else set()
    signers = signers_of(read_plain(folder / FILENAME), kind=RELEASE)
    _valid_signers(FILENAME, index.signatures, signers, problems)
    problems += _mistrust(signers, sorted(common), keys)
    size = sum(digest.size for digest in listed.values())
    return Audit(folder, len(listed), size, signers, tuple(sorted(common)), tuple(problems))


def _fault(file: Path, path: str, digest: Digest) -> str | None:
    """What is wrong with a listed file, or `None`. The Hub's cache has links to its files: what they lead to counts."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            return f"{path} is no regular file"
        if found.st_size != digest.size:
            return f"{path} is {counted(found.st_size, 'byte')} long instead of {digest.size:,}"
        return None if digest_file(file) == digest else f"{path} was altered: it holds other bytes than were released"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"


def _unlisted(folder: Path, listed: Mapping[str, Digest]) -> Iterator[str]:
    """Files that somebody put beside the release's own: transformers would read some of them."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if not file.is_dir() and path != FILENAME and path not in listed and path.partition("/")[0] not in NOT_READ:
            yield path


def _code_signers(folder: Path, bucket: Bucket, listed: Mapping[str, Digest], problems: list[str]) -> tuple[str, ...]:
    """Who signed the record of a compiled shape, if the release holds just what it says."""
    path = f"{bucket.folder}/{MANIFEST}"
    try:
        data = read_plain(folder / path)
        manifest = decode(Manifest, data, newest=FORMAT)
    except (OSError, DecodeError) as error:
        problems.append(f"{path} can't be read: {error}")
        return ()
    code = listed.get(bucket.file or f"{bucket.folder}/{PACKAGE}")
    blobs = list(manifest.blobs())
    if manifest.key != bucket.key or [code] != blobs[:1] or not {*listed.values()}.issuperset(blobs):
        problems.append(f"{bucket.folder} holds another artifact than {path} says")
        return ()
    return _valid_signers(path, manifest.signatures, signers_of(data), problems)


def _valid_signers(path: str, signed: Sequence[Signed], valid: tuple[str, ...], problems: list[str]) -> tuple[str, ...]:
    """The signers, with a problem for each signature that doesn't fit: the record was altered after it was signed."""
    problems += [f"{path}: the signature by {each.key} doesn't fit" for each in signed if each.key not in valid]
    return valid


def _mistrust(signers: Sequence[str], code: Sequence[str], keys: Sequence[str]) -> Iterator[str]:
    """What a signature is missing from, where keys are given."""
    if not keys or not set(keys).isdisjoint(signers):
        return
    by = f" (signed by {', '.join(signers)})" if signers else ""
    if set(keys).isdisjoint(code):
        yield f"no trusted key signed it{by}"
    else:
        yield f"a trusted key signed the compiled code only, and none its weights, config and other files{by}"
