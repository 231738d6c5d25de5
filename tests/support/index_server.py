"""A real web server on 127.0.0.1 that serves an index of tasks, and misbehaves where a test wants it to."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CODE = "(function(input) { return {doubled: input.n * 2}; })"
SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}


def task_files(name: str = "double", version: str = "1.0.0", code: str = CODE, **metadata: Any) -> dict[str, str]:
    """Return the files of a small task."""
    return {
        "metadata.json": json.dumps({"name": name, "version": version, "description": f"The task {name}", **metadata}),
        "main.js": code,
        "input.schema.json": json.dumps(SCHEMA),
        "output.schema.json": "{}",
        "tests/two.json": json.dumps({"name": "two", "input": {"n": 2}, "expected_output": {"doubled": 4}}),
    }


def task_zip(files: Mapping[str, str]) -> bytes:
    """Pack files into a ZIP."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return data.getvalue()


def entry_of(name: str, version: str, data: bytes, /, **changes: Any) -> dict[str, Any]:
    """Return an honest entry of an index, with changes."""
    honest = {
        "name": name,
        "version": version,
        "title": name.title(),
        "description": f"The task {name}",
        "tags": ["remote"],
        "url": f"{name}-{version}.zip",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    return {key: value for key, value in {**honest, **changes}.items() if value is not None}


@dataclass
class Request:
    """One request that came."""

    path: str
    headers: dict[str, str]


Handler = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class IndexServer:
    """Answers with `files` (by path), or with what a `handlers` entry does. `requests` lists what was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    fallback: Handler | None = None

    @property
    def index_url(self) -> str:
        return f"{self.url}/index.json"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def add(
        self, name: str = "double", version: str = "1.0.0", code: str = CODE, *, entry: Mapping[str, Any] | None = None, **metadata: Any
    ) -> bytes:
        """Publish a task; `entry` changes what the index says of it."""
        data = task_zip(task_files(name, version, code, **metadata))
        self.files[f"/{name}-{version}.zip"] = data
        self.entries = [each for each in self.entries if (each["name"], each["version"]) != (name, version)]
        self.entries.append(entry_of(name, version, data, **(entry or {})))
        self.publish()
        return data

    def publish(self, **changes: Any) -> None:
        """Write the index anew."""
        self.files["/index.json"] = json.dumps({"format": "ratchet-index/1", "tasks": self.entries, **changes}).encode()

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        """Let a path lead elsewhere."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Location", target)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.handlers[path] = answer

    def fail(self, path: str, *statuses: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer with these statuses one after the other, then as usual."""
        waiting = list(statuses)

        def answer(handler: BaseHTTPRequestHandler) -> None:
            if not waiting:
                serve(self, handler)
                return
            handler.send_response(waiting.pop(0))
            for name, value in (headers or {}).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.handlers[path] = answer


def serve(server: IndexServer, handler: BaseHTTPRequestHandler) -> None:
    """Answer with a file, with ETag and 304."""
    data = server.files.get(handler.path.partition("?")[0])
    if data is None:
        handler.send_response(404)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    same = handler.headers.get("If-None-Match") == etag
    handler.send_response(304 if same else 200)
    handler.send_header("ETag", etag)
    handler.send_header("Content-Length", "0" if same else str(len(data)))
    handler.end_headers()
    if not same:
        handler.wfile.write(data)


@contextmanager
def index_server(certificate: tuple[Path, Path] | None = None) -> Iterator[IndexServer]:
    """Run a server on a free port; with `certificate` (certificate, key) it speaks TLS."""
    state = IndexServer()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                state.handlers.get(self.path, state.fallback or (lambda handler: serve(state, handler)))(self)
            except OSError:
                self.close_connection = True

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is part of the tests."""

    server = Quiet(("127.0.0.1", 0), Answering)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    state.publish()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
