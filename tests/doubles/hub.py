"""The Hub, as far as pinning and fetching models goes: a strict HTTP server on loopback.

It answers the requests that the Hub is known to answer, in the Hub's words, refuses all others, and writes down each one.
Large files are redirected to the same server under another host name, as the Hub redirects them to its storage.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from huggingface_hub import constants
from huggingface_hub.utils import close_session

from tests.doubles.hub_uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

LFS_THRESHOLD = 10_000
GOOD_TOKEN = "hf_goodtoken"
COMMIT = "a" * 40


@dataclass
class HubRepo:
    """One model repository: files by commit, and the commits that its branches and tags point at."""

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str]
    gated: bool = False
    private: bool = False
    disabled: bool = False
    license: str | None = "mit"

    def commit(self, revision: str) -> str | None:
        """The commit that a revision names."""
        return revision if revision in self.commits else self.refs.get(revision)


def one_commit(files: Mapping[str, bytes], *, gated: bool = False, private: bool = False) -> HubRepo:
    """A repository with one commit, on `main`."""
    return HubRepo({COMMIT: dict(files)}, {"main": COMMIT}, gated, private)


def lead_client_to(endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the Hub's client of this process talk to `endpoint` and keep its cache below `home`, for one test.

    The client reads its environment once, when it is imported; replaced is what it made of it.
    """
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    settings = {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    _renew_client()


@cache
def _renew_client() -> None:
    # Once, for the sake of NO_PROXY. At each test it would cost more than the test: certificates are loaded anew.
    close_session()


def is_lfs(path: str, data: bytes) -> bool:
    """Whether the Hub would keep a file apart from git."""
    return path.endswith((".safetensors", ".bin")) or len(data) > LFS_THRESHOLD


def git_blob_id(data: bytes) -> str:
    """The name that git gives to bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass
class HubDouble:
    """The server. `requests` holds method and path of every request, refused ones too.

    `fail_with` makes every answer that HTTP status; `garbled` makes every answer those bytes; `silent` answers nothing;
    `tampered` replaces the bytes that are served for a path, but none of the digests.
    """

    repos: dict[str, HubRepo] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    fail_with: int | None = None
    garbled: bytes | None = None
    silent: bool = False
    tampered: dict[str, bytes] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_stopped(self) -> None:
        """Where silent requests stay."""
        self._stopping.wait(timeout=60)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must be for a client to come here."""
        return f"http://127.0.0.1:{self.port}"

    def paths(self, method: str) -> list[str]:
        """Paths of all requests of one method."""
        return [path for used, path in self.requests if used == method]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubDouble


class _Handler(Uploads, BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server.hub
        url = urlsplit(self.path)
        hub.requests.append((self.command, unquote(url.path)))
        if hub.silent:
            hub.wait_until_stopped()
        elif hub.fail_with:
            self._send(hub.fail_with)
        elif hub.garbled is not None:
            self._send(200, hub.garbled)
        else:
            self._route(url.path.strip("/").split("/"), dict(parse_qsl(url.query)))

    def _route(self, parts: list[str], query: dict[str, str]) -> None:
        if self.command in {"POST", "PUT"}:
            self.take(parts)
        elif parts[0] == "lfs" and len(parts) == 2:
            self._send_large(parts[1])
        elif parts[:2] == ["api", "models"] and len(parts) == 6 and parts[4] == "revision":
            self._send_info("/".join(parts[2:4]), unquote(parts[5]), query)
        elif parts[:2] == ["api", "models"] and len(parts) == 6 and parts[4] == "tree":
            self._send_tree("/".join(parts[2:4]), unquote(parts[5]), query)
        elif len(parts) >= 5 and parts[2] == "resolve" and not query:
            self._send_file("/".join(parts[:2]), unquote(parts[3]), unquote("/".join(parts[4:])))
        else:
            self._send(400)

    def _admitted(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {GOOD_TOKEN}"

    def _find(self, name: str, revision: str) -> tuple[HubRepo, str] | None:
        """The repository and commit asked for; where there is none, that is answered already."""
        token = self.headers.get("Authorization")
        repo = self.server.hub.repos.get(name)
        if token is not None and not self._admitted():
            self._send(401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo is None or (repo.private and not self._admitted()):
            self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif (commit := repo.commit(revision)) is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif repo.disabled:
            self._send(403, headers={"X-Error-Message": "Access to this resource is disabled."})
        else:
            return repo, commit
        return None

    def _send_info(self, name: str, revision: str, query: dict[str, str]) -> None:
        if query not in ({}, {"blobs": "true"}):
            self._send(400)
        elif found := self._find(name, revision):
            repo, commit = found
            info = {
                "id": name,
                "sha": commit,
                "private": repo.private,
                "gated": "auto" if repo.gated else False,
                "cardData": {"license": repo.license} if repo.license else None,
                "tags": [],
                "siblings": [_sibling(path, data) for path, data in repo.commits[commit].items()],
            }
            self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _send_tree(self, name: str, revision: str, query: dict[str, str]) -> None:
        if query.get("recursive", "").lower() != "true" or not set(query) <= {"recursive", "expand"}:
            self._send(400)
        elif found := self._find(name, revision):
            repo, commit = found
            tree = [
                {"type": "file", "path": path, "size": len(data), "oid": git_blob_id(data)}
                | (
                    {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
                    if is_lfs(path, data)
                    else {}
                )
                for path, data in repo.commits[commit].items()
            ]
            self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"})

    def _send_file(self, name: str, revision: str, path: str) -> None:
        found = self._find(name, revision)
        if found is None:
            return
        repo, commit = found
        data = repo.commits[commit].get(path)
        if repo.gated and not self._admitted():
            self._refuse(403, "GatedRepo", f"Access to model {name} is restricted")
        elif data is None:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        elif is_lfs(path, data):
            sha256 = hashlib.sha256(data).hexdigest()
            headers = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data)), "X-Repo-Commit": commit}
            self._send(302, headers=headers | {"Location": f"http://localhost:{self.server.server_port}/lfs/{sha256}"})
        else:
            served = self.server.hub.tampered.get(path, data)
            self._send(200, served, {"ETag": f'"{git_blob_id(data)}"', "X-Repo-Commit": commit})

    def _send_large(self, sha256: str) -> None:
        commits = (commit for repo in self.server.hub.repos.values() for commit in repo.commits.values())
        large = ((path, data) for files in commits for path, data in files.items() if is_lfs(path, data))
        for path, data in large:
            if hashlib.sha256(data).hexdigest() == sha256 and "Authorization" not in self.headers:
                self._send(200, self.server.hub.tampered.get(path, data))
                return
        self._send(400)

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, headers={"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sibling(path: str, data: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": git_blob_id(data)}
    if is_lfs(path, data):
        entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry
