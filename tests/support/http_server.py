"""An HTTP server in this process, for a Flask application."""

import logging
import threading

from flask import Flask
from werkzeug.serving import make_server


class HttpServer:
    """A server on a free port; `with` starts and ends it."""

    def __init__(self, app: Flask, *, threaded: bool = True, certificate: tuple[str, str] | None = None):
        """`certificate`: files of a certificate for ``localhost`` and of its key; None: without TLS."""
        self._server = make_server("127.0.0.1", 0, app, threaded=threaded, ssl_context=certificate)
        self.url = f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{self._server.server_port}"

    def __enter__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
