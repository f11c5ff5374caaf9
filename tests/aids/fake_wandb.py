"""As much of W&B's server as one online run speaks to, on this machine only."""

import gzip
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Backend(ThreadingHTTPServer):
    """``with Backend() as backend``: what arrived is in ``streams``, ``uploads`` and ``views``."""

    def __init__(self, projects: Sequence[str] = ()) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.streams: list[dict[str, Any]] = []
        self.uploads: list[str] = []
        self.views: list[dict[str, Any]] = []  # workspaces
        self.refuses = ""  # a part of the name of what is answered by an error
        self.projects = projects  # "entity/project", of those that one may ask for

    def __enter__(self) -> "Backend":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *details: object) -> None:
        self.shutdown()
        self.server_close()

    def rows(self) -> list[dict[str, Any]]:
        """The history, as it was streamed."""
        files = [part.get("files") or {} for part in self.streams]
        history = [file["wandb-history.jsonl"] for file in files if "wandb-history.jsonl" in file]
        return [json.loads(line) for part in history for line in part["content"]]


class Answers(BaseHTTPRequestHandler):
    """Everything succeeds, but what is refused."""

    server: Backend
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer({})

    def do_PUT(self) -> None:
        self.body()
        self.server.uploads.append(self.path.partition("?")[0])
        self.answer({})

    def do_POST(self) -> None:
        request = json.loads(self.body() or b"{}")
        if "file_stream" in self.path:
            self.server.streams.append(request)
            self.answer({})
            return
        wish, query = request.get("variables") or {}, request.get("query", "")
        if self.server.refuses and self.server.refuses in query:
            self.answer({"errors": [{"message": f"no, {wish}"}]})
            return
        self.answer({"data": self.data(request.get("operationName") or query, wish)})

    def data(self, name: str, wish: dict[str, Any]) -> dict[str, Any]:
        if "UpsertView" in name:
            self.server.views.append(wish)
            return {"upsertView": {"view": {"id": "w", "name": wish["name"]}, "inserted": True}}
        if "GetProject" in name and f"{wish['entity']}/{wish['name']}" in self.server.projects:
            owned = {"id": "p", "name": wish["name"], "entityName": wish["entity"], "user": None}
            return {"project": {**owned, "createdAt": "2026-01-01T00:00:00", "isBenchmark": False}}
        if "UpsertBucket" in name:
            entity = {"id": "e", "name": "team"}
            project = {"id": "p", "name": wish.get("project"), "entity": entity}
            bucket = {"id": "b", "name": wish.get("name"), "project": project, "config": "{}"}
            bucket |= {"displayName": wish.get("displayName"), "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "CreateRunFiles" in name:
            files = [{"name": f, "uploadUrl": f"{self.server.url}/up/{f}"} for f in wish["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if "CreateArtifact" in name:
            latest = {"id": "s", "latestArtifact": {"id": "a", "versionIndex": 0}}
            artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": latest}
            return {"createArtifact": {"artifact": artifact}}
        if "iewer" in name:
            viewer = {"id": "v", "entity": "team", "username": "me", "flags": "{}"}
            return {"viewer": {**viewer, "teams": {"edges": []}}, "serverInfo": {}}
        return {"project": None}

    def body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def answer(self, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
