"""A headless Chromium that is told what to do over a pipe: the DevTools protocol, no package."""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PATIENCE = 60.0
"""Seconds in which something must have come to hold."""

KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}
CTRL = 2


class Browser:
    """One page of a browser."""

    def __init__(self, say, hear):
        self._say, self._hear, self._number, self._session = say, hear, 0, None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        told = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = told["sessionId"]
        self.tell("Page.setBypassCSP", enabled=True)  # for what a test reads, not for the page

    def tell(self, method, **parameters):
        """What the browser answers to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._say, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]

    def _next(self):
        message = bytearray()
        while (byte := os.read(self._hear, 1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return json.loads(message)

    def open(self, address):
        """Open an address, also where it differs from the one before in its part after # alone."""
        self.tell("Page.navigate", url="about:blank")
        self.tell("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def read(self, expression):
        """The value of an expression of JavaScript, awaited."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        said = self.tell("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def text(self, element):
        """What stands in an element of an id."""
        return self.read(f"document.getElementById({element!r}).innerText")

    def wait_for(self, expression):
        """Wait for an expression to be true."""
        until = time.monotonic() + PATIENCE
        while not self.read(expression):
            assert time.monotonic() < until, f"{expression} did not come to hold"
            time.sleep(0.05)

    def press(self, key, modifiers=0):
        """Press a key and let it go."""
        number, text = KEYS[key]
        code = {"key": key, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        typed = {} if modifiers else {"text": text}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **code, **typed)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **code)

    def look(self, *, dark=False, width=1200):
        """Take on a scheme of colours and a width."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **size)

    def picture(self, path):
        """Write the whole page as PNG."""
        said = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))


@contextmanager
def browser(profile):
    """A browser with a profile of its own in a directory."""
    heard, say = os.pipe()
    hear, said = os.pipe()

    def begin():
        for mine, its in ((os.dup(heard), 3), (os.dup(said), 4)):
            os.dup2(mine, its)

    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
    process = subprocess.Popen(
        [CHROMIUM, *options, f"--user-data-dir={profile}"],
        env=environment,
        close_fds=False,
        preexec_fn=begin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(heard)
    os.close(said)
    try:
        yield Browser(say, hear)
    finally:
        process.terminate()
        process.wait(30)
        os.close(say)
        os.close(hear)
