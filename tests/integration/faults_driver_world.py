"""What stands outside the processes under test: the effect server that witnesses, and the hand that kills."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

DRIVER = Path(__file__).with_name("faults_driver.py")


class Asked(NamedTuple):
    """One request: what kind of tool asked, under which idempotency key, from which process."""

    kind: str
    key: str
    pid: int


class World:
    """The effect server on loopback: does what it is asked, and keeps a log of it that no process under test can touch.

    It answers one request after the other in the order they came in, so that a question about a key ("?") knows of
    everything that was sent before. ``strike`` is given each logged request and may name a signal: the caller gets
    that instead of an answer (``SIGKILL``) or together with it.
    """

    def __init__(self):
        self.log = []
        self.strike = lambda _asked: None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with closing(line):
                line.settimeout(10)
                try:
                    self._answer(line)
                except OSError:
                    continue

    def _answer(self, line):
        request = line.makefile().readline()
        if not request.endswith("\n"):
            return
        asked = Asked(**json.loads(request))
        if asked.kind == "?":
            line.sendall(b"yes\n" if any(known.key == asked.key for known in self.log) else b"no\n")
            return
        self.log.append(asked)
        sign = self.strike(asked)
        if sign is not None:
            os.kill(asked.pid, sign)
        if sign != signal.SIGKILL:
            line.sendall(b"yes\n")

    def times(self, mission=""):
        """How often each key was asked for."""
        return Counter(asked.key for asked in self.log if asked.key.startswith(mission))

    def kinds(self):
        """The kind of tool behind each key."""
        return {asked.key: asked.kind for asked in self.log}

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Server:
    """The fork server, started once: what a life would import is imported there already."""

    def __init__(self, folder, *, argv=()):
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*argv, sys.executable, str(DRIVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def tell(self, order):
        """Give an order and wait for its answer."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.errors.read_text()[-3000:]
        return json.loads(answer)

    def close(self):
        """Let it end, with every life that is left."""
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Lives:
    """Starts lives and sees them end."""

    def __init__(self, server, world):
        self.server, self.world = server, world
        self._living = set()

    def start(self, root, **order):
        """Begin a life; its process id."""
        pid = self.server.tell({"start": {"root": str(root), "world": self.world.address, **order}})["pid"]
        self._living.add(pid)
        return pid

    def hear(self, pid, word):
        """The next thing a life says that is about ``word``; ``None`` when it ended without."""
        while line := self.server.tell({"line": pid})["line"]:
            said = json.loads(line)
            if word in said:
                return said[word]
        return None

    def end(self, pid):
        """Wait for a life's end: its exit code (negative: a signal) and what it still said."""
        answer = self.server.tell({"end": pid})
        self._living.discard(pid)
        return answer["code"], answer["said"]

    def whole(self, root, **order):
        """A life that is to end by itself; what it said."""
        code, said = self.end(self.start(root, **order))
        assert code == 0, (said, self.errors())
        return said

    def errors(self):
        """The last words on standard error."""
        return self.server.errors.read_text()[-3000:]

    def close(self):
        """End what a failed test left behind."""
        for pid in tuple(self._living):
            os.kill(pid, signal.SIGKILL)
            self.end(pid)


def heard(said, word):
    """Everything that was said about ``word``."""
    return [line[word] for line in said if word in line]
