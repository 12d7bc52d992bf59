"""Chromium without a window, spoken to over pipes by the DevTools protocol."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATIENCE = 60
"""Seconds for an answer; a first 3-D picture by software takes a few."""

_OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions", "--mute-audio"),
    # tests run as root, and in containers with little shared memory
    *("--no-sandbox", "--disable-dev-shm-usage"),
    # WebGL by software, the same on every machine
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-color-profile=srgb"),
    # it would call home otherwise, and its own requests are none of the page's
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def program() -> str | None:
    """Return the path of Chromium, None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """A page in Chromium.

    Parameters
    ----------
    to, back : int
        File descriptors of the pipes.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._back], [], [], PATIENCE)
            assert ready, f"Chromium said nothing for {PATIENCE} seconds"
            data = os.read(self._back, 2**20)
            assert data, "Chromium ended"
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression gives, awaited if it is a promise."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression gives something true, and return it."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)
        return value

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        """Set the size of the window's inside."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def press(self, key: str, text: str = "", modifiers: int = 0) -> None:
        """Press and release a key; `modifiers` 8 is shift."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "PageUp": 33, "PageDown": 34}
        code |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        told = {"key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code.get(key, 0)}
        down = "keyDown" if text else "rawKeyDown"
        self.send("Input.dispatchKeyEvent", type=down, text=text, **told)
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Return left, top, width and height of an element, in the window."""
        x, y, width, height = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]; })()"
        )
        return x, y, width, height

    def picture(self, selector: str | None = None) -> NDArray[np.uint8]:
        """Return what is seen of an element, or of the window: rows, columns, RGB."""
        from PIL import Image

        clip = {}
        if selector is not None:
            x, y, width, height = self.box(selector)
            left, top = self.run("[scrollX, scrollY]")
            clip = {"clip": {"x": x + left, "y": y + top, "width": width, "height": height, "scale": 1}}
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png", **clip)["data"])
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def open(self, page: Path, anchor: str = "") -> None:
        """Open a page of the file system, afresh if it is open."""
        self.send("Page.navigate", url="about:blank")
        self.events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri() + anchor)
        self.wait("document.readyState === 'complete'")

    def complaints(self) -> list[str]:
        """Return what the console, exceptions and the log said since the page was opened."""
        self.run("1")
        told = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in told]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened."""
        self.run("1")
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Browser]:
    """Start Chromium with its profile in `folder`, and end it with all that it started."""
    command = program()
    assert command is not None
    from_us, to_it = os.pipe()
    from_it, to_us = os.pipe()

    def as_chromium_wants() -> None:
        # it reads from 3 and writes to 4; first out of each other's way
        reading, writing = os.dup(from_us), os.dup(to_us)
        os.dup2(reading, 3)
        os.dup2(writing, 4)

    process = subprocess.Popen(
        [command, *_OPTIONS, f"--user-data-dir={folder}", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=as_chromium_wants,
        start_new_session=True,
    )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Browser(to_it, from_it)
    finally:
        os.close(to_it)
        os.close(from_it)
        # it ends when the pipe is closed
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
