"""A TAP service on 127.0.0.1 with a login form, for tests: sync and async, VOTable answers."""

import io
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlparse

import numpy as np
from astropy.table import Table
from local_archive import LocalArchive

NAME, PASSWORD = "vega", "ab-zero"
FORM = '<form><input name="login"><input type="password" name="password"></form>'
JOB = """<?xml version="1.0"?>
<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
 version="1.1"><uws:jobId>{job}</uws:jobId><uws:phase>{phase}</uws:phase>
<uws:results><uws:result id="result" xlink:href="{url}/results/result"/></uws:results></uws:job>"""
ERROR = """<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{}</INFO></RESOURCE></VOTABLE>"""


class TapArchive(LocalArchive):
    """The service and its state; tests set the failures that are to come."""

    def __init__(self, sources: Table, *, needs_login: bool = True, limit: int = 10**9):
        super().__init__(_Requests)
        self.sources, self.needs_login, self.limit = sources, needs_login, limit
        self.queries, self.logins, self.jobs = [], 0, {}
        self.failures = []  # one per query to come: 503, "break", "log out", "lose a row"

    def answer(self, adql: str) -> bytes:
        """The VOTable of the two kinds of query that are asked of it."""
        if "nonsense" in adql:
            return ERROR.format("unknown column nonsense").encode()
        rows = self.sources
        if "GROUP BY" in adql:
            rows = _counts(rows)
        else:
            tile, first, last = map(int, re.findall(r"tile_id = (\d+).* (\d+) AND (\d+)", adql)[0])
            chosen = (rows["tile_id"] == tile) & (rows["number"] >= first)
            rows = rows[chosen & (rows["number"] <= last)][::-1]
            rows = rows[re.findall(r"SELECT (.*) FROM", adql)[0].split(", ")]
        text = io.BytesIO()
        rows[: self.limit].write(text, format="votable")
        status = "OVERFLOW" if len(rows) > self.limit else "OK"
        info = f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="{status}"/>'
        return re.sub(rb"<RESOURCE[^>]*>", info.encode(), text.getvalue(), count=1)


def _counts(rows: Table) -> Table:
    tiles = np.unique(rows["tile_id"])
    numbers = [rows["number"][rows["tile_id"] == tile] for tile in tiles]
    return Table(
        {
            "tile_id": tiles,
            "num_rows": [len(values) for values in numbers],
            "first_number": [values.min() for values in numbers],
            "last_number": [values.max() for values in numbers],
        }
    )


class _Requests(BaseHTTPRequestHandler):
    server: TapArchive

    def log_message(self, *args):
        pass

    def send(self, status, body, kind="text/xml", **headers):
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def logged_in(self):
        cookie = f"session={self.server.logins}"
        return not self.server.needs_login or self.headers.get("Cookie") == cookie

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
        path = urlparse(self.path).path
        if path == "/login":
            if (form["login"], form["password"]) != (NAME, PASSWORD):
                return self.send(200, FORM, "text/html")
            self.server.logins += 1
            cookie = f"session={self.server.logins}"
            return self.send(200, "welcome", "text/html", Set_Cookie=cookie)
        if not self.logged_in():
            return self.send(403, "log in first", "text/plain")
        if path == "/tap/sync":
            return self.ask(form["QUERY"])
        if path == "/tap/async":
            job = str(len(self.server.jobs))
            self.server.jobs[job] = form["QUERY"]
            return self.send(303, "", Location=f"{self.server.url}/tap/async/{job}")
        return self.send(200, "")

    def do_GET(self):
        parts = urlparse(self.path).path.strip("/").split("/")
        if not self.logged_in():
            return self.send(403, "log in first", "text/plain")
        if parts[-1] == "result":
            return self.ask(self.server.jobs[parts[2]])
        url = f"{self.server.url}/tap/async/{parts[2]}"
        return self.send(200, JOB.format(job=parts[2], phase="COMPLETED", url=url))

    def do_DELETE(self):
        self.send(200, "")

    def ask(self, adql):
        self.server.queries.append(adql)
        failure = self.server.failures.pop(0) if self.server.failures else None
        if failure == 503:
            return self.send(503, "down for maintenance", "text/plain")
        if failure == "log out":
            self.server.logins += 1
            return self.send(403, "log in first", "text/plain")
        body = self.server.answer(adql)
        if failure == "lose a row":
            body = re.sub(rb"<TR>.*?</TR>", b"", body, count=1, flags=re.S)
        if failure == "break":
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            return self.wfile.flush()
        return self.send(400 if b'"ERROR"' in body else 200, body)
