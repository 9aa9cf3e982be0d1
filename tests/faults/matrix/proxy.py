"""A TCP proxy before a server: it can stall all traffic, and delay or cut the answers to COMMIT."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from time import sleep

#: How a client of PostgreSQL ends a transaction (the simple protocol).
COMMIT = b"COMMIT\x00"
_CHUNK = 1 << 16


class Proxy:
    """Listens on a port of its own on 127.0.0.1 and passes on to the port that `upstream` names at that moment.

    `commit_delay` is how long (s) each answer to a COMMIT is held back.
    """

    def __init__(self, upstream: Callable[[], int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.commit_delay = 0.0
        self._flowing = Event()
        self._flowing.set()
        self._lock = Lock()
        self._wanted = self.cut = 0
        Thread(target=self._accept, name="proxy", daemon=True).start()

    def stall(self) -> None:
        """Pass nothing on, as a network that swallows packets: nobody is told, new connections hang too."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass everything on again, what waited included."""
        self._flowing.set()

    def cut_commits(self, n: int) -> None:
        """Swallow the next `n` answers to a COMMIT, each with its connection, once the server has given it."""
        with self._lock:
            self._wanted += n

    def close(self) -> None:
        """Take no more connections; those that stand end with their ends."""
        self._listener.close()
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._flowing.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream()), timeout=5.0)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        committing = Event()
        back = Thread(target=self._answers, args=(server, client, committing), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                self._flowing.wait()
                if COMMIT in data:
                    committing.set()
                server.sendall(data)
        _end(server, client)
        back.join()
        server.close()
        client.close()

    def _answers(self, server: socket.socket, client: socket.socket, committing: Event) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                self._flowing.wait()
                if committing.is_set():
                    committing.clear()
                    if self._cuts():
                        break
                    sleep(self.commit_delay)  # the fault itself
                client.sendall(data)
        _end(server, client)

    def _cuts(self) -> bool:
        with self._lock:
            if not self._wanted:
                return False
            self._wanted -= 1
            self.cut += 1
            return True


def _end(*ends: socket.socket) -> None:
    """Wake both directions of a connection, so that they end."""
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
