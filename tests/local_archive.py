"""A server on a free port of 127.0.0.1: what the archives of the tests have in common."""

import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


class LocalArchive(ThreadingHTTPServer):
    """Answers each request by a handler of its own, an instance of ``handler``."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(archive):
    """The archive while it answers, in a thread."""
    thread = threading.Thread(target=archive.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        archive.shutdown()
        archive.server_close()
        thread.join()
