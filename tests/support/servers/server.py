"""One private server: its directory, its port, and its processes, which are started, frozen and killed at will."""

from __future__ import annotations

import contextlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import psutil
from tests.support.waiting import until

USER = "rescind"
PASSWORD = "p@ss:w/rd"  # with every character that a URL has to quote
START_SECONDS = 60.0
END_SECONDS = 30.0
POLL_SECONDS = 0.05


class Server(ABC):
    """A server of this test run's own, on a loopback port that it keeps over restarts.

    It dies with the process that made it, also when that is killed. Start it from the main thread: the kernel sends
    the signal when the thread ends that started the server.
    """

    end_signal = signal.SIGTERM

    def __init__(self) -> None:
        # Not in pytest's directory: only its owner may enter that, and PostgreSQL cannot run as root.
        self.directory = Path(tempfile.mkdtemp(prefix=f"rescind-{type(self).__name__.lower()}-"))
        self.log = self.directory / "server.log"  #: everything that the server says
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._installed = False
        self._databases = 0

    # --- what each kind of server says of itself ----------------------------------------------------------------

    @abstractmethod
    def install(self) -> None:
        """Make the data directory, once."""

    @abstractmethod
    def command(self) -> list[str]:
        """The server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does work for a client by now."""

    @abstractmethod
    def set_up(self) -> None:
        """Make the user without privileges, once."""

    def environment(self) -> Mapping[str, str] | None:
        """None: this process's."""
        return None

    # --- the processes ------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it, anew where it had ended, on the same port and data; returns when it answers."""
        if not self._installed:
            self.install()
        self._run()
        if not self._installed:
            self.set_up()
        self._installed = True
        return self

    def stop(self) -> None:
        """An orderly end, without waiting for clients to leave."""
        if self._process is not None:
            self._process.send_signal(self.end_signal)
            self._process.wait(END_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Kill -9 of all its processes; returns when none is left."""
        if self._process is None:
            return
        # Frozen first, or it could have one more child than the list.
        self._process.send_signal(signal.SIGSTOP)
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(END_SECONDS)
        until(lambda: not any(map(_alive, family)), f"{family} to be gone", END_SECONDS)
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP: the connections stay, and nothing answers, not even to a new one; returns when none of it runs."""
        self._signal(signal.SIGSTOP)
        # On a busy machine a thread goes on for a moment, and has answered a request that was sent after the signal.
        until(lambda: all(map(_stands_still, self._family())), "the server to stand still", END_SECONDS)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """End it for good; its data is left."""
        self.kill()

    def delete(self) -> None:
        """Delete the data of one that has ended."""
        shutil.rmtree(self.directory)

    def run_to_the_end(self, *command: str) -> None:
        """A command that prepares something. Raises RuntimeError with what it said."""
        done = subprocess.run(
            command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command} left with {done.returncode}:\n{done.stdout}")

    def next_name(self) -> str:
        """Of a database, or what takes its place."""
        self._databases += 1
        return f"test_{self._databases}"

    def _run(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for pytest: it ends the tests before their servers
            )
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{type(self).__name__} did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # a child that has ended meanwhile
                process.send_signal(number)

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None, "it is not running"
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:  # it has ended by itself
            return []


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Started; ended and deleted afterwards."""
    try:
        yield server.start()
    finally:
        server.end()
        server.delete()


def dying_with_us(*command: str, user: pwd.struct_passwd | None = None) -> list[str]:
    """The command, run as `user`, and killed by the kernel when this process ends, however it ends."""
    change = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
    return ["setpriv", "--pdeathsig", "KILL", *change, *command]


def _stands_still(process: psutil.Process) -> bool:
    """Whether none of its threads runs."""
    try:
        threads = [psutil.Process(thread.id) for thread in process.threads()]
        return all(thread.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) for thread in threads)
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:
        return False  # a thread has ended meanwhile: look again


def _alive(process: psutil.Process) -> bool:
    """A zombie is gone; whoever has to reap it may take a second."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A free loopback port that no outgoing connection will ever take.

    A port of the kernel's own choice may go to somebody's connection while the server is down; worse, a client that
    knocks there again and again may at last be connected with itself.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(first_outgoing, 20_000))
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
