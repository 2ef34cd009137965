"""A package index on this machine, for pip and the check of the pins."""

import json
from pathlib import Path

import pytest
from flask import Flask, Response, abort, request
from support.http_server import HttpServer

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "components" / "images"
_JSON = "application/vnd.pypi.simple.v1+json"


class Index(HttpServer):
    """One that speaks PEP 691, or only HTML.

    Attributes:
        files: project to its files: name to the reason of its withdrawal, or None.
        asked: paths, in order.
        speaks_json: whether it answers in JSON.
    """

    def __init__(self):
        self.files: dict[str, dict[str, str | None]] = {}
        self.asked: list[str] = []
        self.speaks_json = True
        app = Flask(__name__)
        app.get("/simple/<project>/")(self._page)
        super().__init__(app)
        self.uri = f"{self.url}/simple"

    def _page(self, project: str):
        self.asked.append(request.path)
        if project not in self.files:
            abort(404)
        files = self.files[project]
        if not (self.speaks_json and _JSON in request.headers["Accept"]):
            return "".join(f'<a href="/files/{name}">{name}</a>' for name in files)
        entries = [
            {"filename": name, "url": f"/files/{name}", "hashes": {}, "yanked": why or False}
            for name, why in files.items()
        ]
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
        return Response(json.dumps(page), content_type=_JSON)


@pytest.fixture
def index():
    with Index() as server:
        yield server
