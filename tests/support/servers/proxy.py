"""A TCP proxy before a server, for the faults that a network makes: cut, refused, silent, and a reply that is lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import make_url
from tests.support.servers.server import free_port

CHUNK_BYTES = 65536


@dataclass
class _Trap:
    """What befalls the next connection whose client sends `pattern`."""

    pattern: bytes
    forward: bool  #: whether the server still gets it


@dataclass(eq=False)
class _Link:
    """One client's connection and the one to the server behind it."""

    client: socket.socket
    server: socket.socket
    seen: bytes = b""  #: the end of what the client has sent: a pattern may come in two pieces
    losing: bool = False  #: the next reply is not passed on
    stranded: bool = False  #: whatever comes is thrown away
    threads: list[threading.Thread] = field(default_factory=list)

    def cut(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # a close alone would not wake the thread that reads from it


class Proxy:
    """Forwards a loopback port of its own to the server's. Threads may call everything here."""

    def __init__(self, server_port: int) -> None:
        self.port = free_port()
        self.lost = 0  #: requests and replies that were lost on demand
        self._server_port = server_port
        self._flowing = threading.Event()
        self._flowing.set()
        self._links: list[_Link] = []
        self._trap: _Trap | None = None
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.accept()

    def through(self, url: str) -> str:
        """The URL of a server, by way of this proxy."""
        return make_url(url).set(port=self.port).render_as_string(hide_password=False)

    def accept(self) -> None:
        """Take connections (again)."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._acceptor = threading.Thread(target=self._take, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def refuse(self) -> None:
        """Refuse new connections, as if nobody listened; those that are open stay."""
        if self._listener is not None and self._acceptor is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._acceptor.join()
        self._listener = None

    def cut(self) -> None:
        """End every open connection now."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.cut()

    def strand(self) -> None:
        """Let the open connections stay open at both ends with nothing ever passing again; new ones are as usual."""
        with self._lock:
            for link in self._links:
                link.stranded = True

    def freeze(self) -> None:
        """Keep every connection, take new ones, and forward nothing."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again, first of all what came meanwhile."""
        self._flowing.set()

    def lose_reply(self, pattern: bytes) -> None:
        """Once: whoever sends `pattern` is cut off when the server has answered it, without the answer."""
        self._trap = _Trap(pattern, forward=True)

    def lose_request(self, pattern: bytes) -> None:
        """Once: whoever sends `pattern` is cut off before the server has got it."""
        self._trap = _Trap(pattern, forward=False)

    def close(self) -> None:
        self.refuse()
        with self._lock:
            links = list(self._links)
        self.cut()
        self.thaw()
        for link in links:
            for thread in link.threads:
                thread.join()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # refuse()
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            self._join(_Link(client, server))

    def _join(self, link: _Link) -> None:
        link.threads += [
            threading.Thread(target=self._requests, args=(link,), daemon=True),
            threading.Thread(target=self._replies, args=(link,), daemon=True),
        ]
        with self._lock:
            self._links.append(link)
        for thread in link.threads:
            thread.start()

    def _requests(self, link: _Link) -> None:
        with link.client, _cut_at_the_end(link):
            while data := link.client.recv(CHUNK_BYTES):
                self._flowing.wait()
                if link.stranded:
                    continue
                trap = self._sprung(link, data)
                if trap is not None and not trap.forward:
                    self.lost += 1
                    return
                link.losing = link.losing or trap is not None
                link.server.sendall(data)

    def _replies(self, link: _Link) -> None:
        with link.server, _cut_at_the_end(link):
            while data := link.server.recv(CHUNK_BYTES):
                self._flowing.wait()
                if link.stranded:
                    continue
                if link.losing:
                    self.lost += 1
                    return
                link.client.sendall(data)

    def _sprung(self, link: _Link, data: bytes) -> _Trap | None:
        """The trap, if these bytes complete its pattern; it is then set no more."""
        with self._lock:
            trap = self._trap
            if trap is None:
                return None
            link.seen += data
            if trap.pattern in link.seen:
                self._trap = None
                return trap
            link.seen = link.seen[-len(trap.pattern) :]
            return None


@contextmanager
def _cut_at_the_end(link: _Link) -> Iterator[None]:
    """When one direction ends, however it ends, so does the other."""
    try:
        with contextlib.suppress(OSError):
            yield
    finally:
        link.cut()


@contextmanager
def proxied(server_port: int) -> Iterator[Proxy]:
    """A proxy before the server; closed afterwards."""
    proxy = Proxy(server_port)
    try:
        yield proxy
    finally:
        proxy.close()
