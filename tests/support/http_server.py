"""An HTTP server in this process, for a Flask application."""

import logging
import threading

from flask import Flask
from werkzeug.serving import make_server


class HttpServer:
    """A server on a free port; `with` starts and ends it."""

    def __init__(self, app: Flask, *, threaded: bool = True):
        self._server = make_server("127.0.0.1", 0, app, threaded=threaded)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
