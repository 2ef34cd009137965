"""A proxy in front of an S3 server that injects the faults of networks and busy servers, and lacks parts of S3."""

import http.client
import io
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TRANSIENT = (
    "500",
    "503",
    "delay",
    "dribble",
    "reset before",  # The connection is reset before the server receives the request,
    "reset after",  # and after the server has answered: the answer is lost.
    "truncate",
)
"""All faults."""

PERMANENT = ("500", "503", "reset before", "reset after", "truncate")
"""The faults after which no complete answer arrives."""

LIMITS = (
    "refuses If-None-Match",
    "refuses If-None-Match as invalid",
    "ignores If-None-Match",
    "refuses checksums",
    "demands encryption",
    "refuses parts",
    "ignores ranges",
    "refuses removals",
    "lists late",
    "path style only",  # It knows buckets in paths, not in host names.
)
"""Limits of stores that call themselves compatible with S3, and of policies of buckets."""

_CODES = {"500": (500, "InternalError"), "503": (503, "SlowDown"), "404": (404, "NoSuchUpload")}
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Rule:
    """A fault for some of the requests: for `times` that match the regular expressions, from the `first` on.

    ``404`` is the answer to the completion of an upload that was completed before.
    """

    fault: str
    method: str = ".*"
    target: str = ""
    """Searched in path and query."""
    first: int = 1
    times: float = 1
    seen: int = 0
    done: int = 0


@dataclass
class S3Proxy:
    """A proxy before a server; ``requests`` holds ``METHOD target`` of each, ``limits`` some of `LIMITS`."""

    server: str
    rules: list[Rule] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    limits: set[str] = field(default_factory=set)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, method: str, target: str) -> str | None:
        with self.lock:
            self.requests.append(f"{method} {target}")
            for rule in self.rules:
                if re.fullmatch(rule.method, method) and re.search(rule.target, target):
                    rule.seen += 1
                    if rule.first <= rule.seen < rule.first + rule.times:
                        rule.done += 1
                        return rule.fault
        return None


@contextmanager
def s3_proxy(server: str):
    proxy = S3Proxy(server)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    httpd.daemon_threads = True
    proxy.address = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield proxy
    finally:
        httpd.shutdown()
        httpd.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: S3Proxy

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.fault_of(self.command, self.path)
        if (refusal := self._refusal()) is not None:
            text = "<Error><Code>{1}</Code><Message>{2}</Message></Error>".format(*refusal).encode()
            return self._answer(refusal[0], [("Content-Type", "application/xml")], len(text), [text])
        if fault == "reset before":
            return self._reset()
        if fault in _CODES:
            code, name = _CODES[fault]
            text = b"" if self.command == "HEAD" else f"<Error><Code>{name}</Code></Error>".encode()
            return self._answer(code, [("Content-Type", "application/xml")], len(text), [text])
        if fault == "delay":
            time.sleep(0.1)
        status, headers, content = self._forward(body)
        if fault == "reset after":
            return self._reset()
        size = int(dict(headers).get("content-length", len(content)))
        if fault == "truncate":
            if not content:  # Nothing but the head can be cut.
                return self._reset()
            self._answer(status, headers, size, [content[: len(content) // 2]])
            return self._reset()
        pieces = [content[i : i + 1 + len(content) // 8] for i in range(0, len(content), 1 + len(content) // 8)]
        self._answer(status, headers, size, pieces if fault == "dribble" else [content], pause=fault == "dribble")

    def _refusal(self) -> tuple[int, str, str] | None:
        """Status, code and message with which a limited store answers a request; None if it serves it."""
        limits, given = self.proxy.limits, {key.lower() for key in self.headers}
        new_object = self.command == "PUT" and "partNumber" not in self.path
        begins_parts = self.command == "POST" and self.path.endswith("?uploads")
        if "refuses If-None-Match" in limits and "if-none-match" in given:
            return 501, "NotImplemented", "A header you provided implies functionality that is not implemented"
        if "refuses If-None-Match as invalid" in limits and "if-none-match" in given:
            return 400, "InvalidArgument", "If-None-Match is not supported"
        checksums = ("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")
        if "refuses checksums" in limits and any(key.startswith(checksums) for key in given - {"x-amz-checksum-mode"}):
            return 400, "InvalidArgument", "Unsupported header x-amz-sdk-checksum-algorithm received for this API call"
        encrypted = "x-amz-server-side-encryption" in given
        if "demands encryption" in limits and (new_object or begins_parts) and not encrypted:
            return 403, "AccessDenied", "Access Denied"
        if "refuses parts" in limits and begins_parts:
            return 501, "NotImplemented", "The requested resource is not implemented"
        if "refuses removals" in limits and self.command == "DELETE":
            return 403, "AccessDenied", "Access Denied"
        if "path style only" in limits and not self.headers.get("Host", "").startswith(("127.0.0.1", "localhost:")):
            return 400, "InvalidBucketName", "The specified bucket is not valid"
        return None

    def _passed_on(self) -> dict[str, str]:
        dropped = {"expect"}
        if "ignores If-None-Match" in self.proxy.limits:
            dropped.add("if-none-match")
        if "ignores ranges" in self.proxy.limits:
            dropped.add("range")
        return {key: value for key, value in self.headers.items() if key.lower() not in dropped}

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(self.proxy.server)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        try:
            path = self.path
            if "lists late" in self.proxy.limits and self.command == "GET" and "list-type=2" in path:
                path = path.replace("prefix=", "prefix=late-")
            connection.request(self.command, path, body=body, headers=self._passed_on())
            answer = connection.getresponse()
            return answer.status, [(key.lower(), value) for key, value in answer.getheaders()], answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list, size: int, pieces: list[bytes], *, pause: bool = False) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in _HOP_BY_HOP:
                self.send_header(key, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            if pause:
                time.sleep(0.005)

    def _reset(self) -> None:
        self.wfile.flush()
        # Closed without lingering, which sends RST instead of FIN; the answer so far must arrive before.
        time.sleep(0.01)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        # What the base class does afterwards needs files that can still be closed.
        self.rfile, self.wfile = io.BytesIO(), io.BytesIO()

    def log_message(self, *_arguments) -> None:
        pass
