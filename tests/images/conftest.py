"""A package index on this machine, for pip and the check of the pins."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "components" / "images"
_JSON = "application/vnd.pypi.simple.v1+json"


class Index(ThreadingHTTPServer):
    """One that speaks PEP 691, or only HTML.

    Attributes:
        files: project to its files: name to the reason of its withdrawal, or None.
        asked: paths, in order.
        speaks_json: whether it answers in JSON.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, str | None]] = {}
        self.asked: list[str] = []
        self.speaks_json = True
        self.uri = f"http://127.0.0.1:{self.server_port}/simple"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        project = self.path.strip("/").rpartition("/")[2]
        files = self.server.files.get(project)
        if files is None:
            self.send_error(404)
            return
        if self.server.speaks_json and _JSON in self.headers["Accept"]:
            entries = [
                {"filename": name, "url": f"/files/{name}", "hashes": {}, "yanked": why or False}
                for name, why in files.items()
            ]
            kind, body = _JSON, json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries})
        else:
            kind, body = "text/html", "".join(f'<a href="/files/{name}">{name}</a>' for name in files)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def index():
    """An empty index."""
    server = Index()
    yield server
    server.shutdown()
    server.server_close()
