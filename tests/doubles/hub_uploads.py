"""What the Hub answers to whoever uploads: repositories made, files asked about, large ones put apart, one commit."""

from __future__ import annotations

import base64
import hashlib
import json

import yaml

OWNER = "somebody"
"""Whose token it is: a repository that is named without an organisation is theirs."""


class Uploads:
    """The part of the server that takes things. Only with a token that may write."""

    def take(self, parts: list[str]) -> None:
        """Answer a POST or PUT."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "PUT" and parts[0] == "lfs":
            self._keep_large(parts[1], body)
        elif parts == ["api", "validate-yaml"]:
            self._check_card(json.loads(body)["content"])
        elif not self._admitted():
            self._send(401, headers={"X-Error-Message": "Invalid username or password."})
        elif parts == ["api", "repos", "create"]:
            self._create(json.loads(body))
        elif parts[:2] == ["api", "models"] and len(parts) == 6 and parts[4] in {"preupload", "commit"}:
            name = "/".join(parts[2:4])
            self._preupload(json.loads(body)) if parts[4] == "preupload" else self._commit(name, parts[5], body)
        elif parts[2:] == ["info", "lfs", "objects", "batch"]:
            self._offer(json.loads(body))
        else:
            self._send(400)

    def _check_card(self, text: str) -> None:
        """A model card must begin with metadata that is a mapping."""
        data = yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else None
        errors = [] if isinstance(data, dict) else [{"message": "no metadata"}]
        self._json({"errors": errors, "warnings": []}, 200 if not errors else 400)

    def _create(self, asked: dict) -> None:
        from tests.doubles.hub import HubRepo

        name = f"{asked.get('organization') or OWNER}/{asked['name']}"
        if name in self.server.hub.repos:
            self._json({"error": "You already created this model repo", "url": f"{self.server.hub.endpoint}/{name}"}, 409)
            return
        self.server.hub.repos[name] = HubRepo({"0" * 40: {}}, {"main": "0" * 40}, private=bool(asked.get("private")))
        self._json({"url": f"{self.server.hub.endpoint}/{name}", "name": name, "id": name})

    def _preupload(self, asked: dict) -> None:
        from tests.doubles.hub import LFS_THRESHOLD

        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") or file["size"] > LFS_THRESHOLD else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in asked["files"]
        ]
        self._json({"files": files})

    def _offer(self, asked: dict) -> None:
        place = f"http://localhost:{self.server.server_port}/lfs"
        objects = [
            {"oid": each["oid"], "size": each["size"], "actions": {"upload": {"href": f"{place}/{each['oid']}"}}}
            for each in asked["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects}, kind="application/vnd.git-lfs+json")

    def _keep_large(self, sha256: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != sha256:
            self._send(400)
            return
        self.server.hub.uploaded[sha256] = body
        self._send(200)

    def _commit(self, name: str, revision: str, body: bytes) -> None:
        files = {}
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.hub.uploaded[value["oid"]]
        repo = self.server.hub.repos[name]
        commit = hashlib.sha256(body).hexdigest()[:40]
        repo.commits[commit] = {**repo.commits[repo.refs[revision]], **files}
        repo.refs[revision] = commit
        url = f"{self.server.hub.endpoint}/{name}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def _json(self, value: object, status: int = 200, kind: str = "application/json") -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": kind})
