"""A file server on 127.0.0.1 with byte ranges and failures to order, for tests."""

import hashlib
import re
from http.server import BaseHTTPRequestHandler

from local_archive import LocalArchive


class FileArchive(LocalArchive):
    """Files by path; ``failures`` holds, per path, what goes wrong with the next requests."""

    def __init__(self, files: dict[str, bytes], *, ranges: bool = True):
        super().__init__(_Requests)
        self.files, self.ranges = files, ranges
        self.failures: dict[str, list[object]] = {}
        self.asked: list[tuple[str, int]] = []

    def add_sums(self, path: str) -> None:
        """The list of SHA-256 sums of the files beside ``path``."""
        folder = path.rpartition("/")[0]
        lines = [
            f"{hashlib.sha256(content).hexdigest()}  {name.rpartition('/')[2]}\n"
            for name, content in self.files.items()
            if name.rpartition("/")[0] == folder
        ]
        self.files[path] = "".join(lines).encode()


class _Requests(BaseHTTPRequestHandler):
    server: FileArchive

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = self.path.lstrip("/")
        named = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(named[1]) if named and self.server.ranges else 0
        self.server.asked.append((path, start))
        failures = self.server.failures.get(path, [])
        failure = failures.pop(0) if failures else None
        content = self.server.files.get(path)
        if failure == 503 or content is None:
            return self.head(failure or 404, 0)
        if start and start >= len(content):
            return self.head(416, 0)
        body = content[start:]
        if failure == "corrupt":
            body = bytes(byte ^ 1 for byte in body[:1]) + body[1:]
        self.head(206 if named and self.server.ranges else 200, len(body))
        self.wfile.write(body[: len(body) // 2] if failure == "break" else body)

    def head(self, status, length):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
