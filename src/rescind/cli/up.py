"""`rescind up`: the whole service on this machine, kept alive until it is told to end."""

from __future__ import annotations

import errno
import http.client
import json as json_module
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rescind.cli.options import Home, Host, Port
from rescind.errors import AlreadyRunning, ConfigurationError
from rescind.settings import Settings, load
from rescind.worker.home import locked
from rescind.worker.kept import Command
from rescind.worker.supervisor import Supervisor

PORT_PATIENCE_SECONDS = 1.0  #: a service that was just killed may still be giving its port back
HEALTH_SECONDS = 0.5
READY_SECONDS = 5.0  #: the API itself asks for two


def up(
    *,
    host: Host = None,
    port: Port = None,
    home: Home = None,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], help="Repeat what the processes log.")] = False,
    json: Annotated[bool, Parameter(help="Say that it is up as one line of JSON: url, home, process.")] = False,
) -> int:
    """Run Rescind on this machine until Ctrl-C: API, worker and sweeper, each started again if it dies.

    Everything it writes is kept in the home: ledger, data, uploads, messages and logs. Only one can run in a home.
    """
    settings = load(host=host, port=port, home=home)
    with locked(settings.home), closing(_reserve(settings.host, settings.port)) as reserved:
        # The socket stays bound, and never listens, so that nobody else is given the port before the API has it.
        port = int(reserved.getsockname()[1])
        supervisor = Supervisor(
            _command("migrate", settings.home), _commands(settings, port), settings.home / "logs", _say
        )
        announce = _announcement(settings, port, json)

        def ready() -> None:
            announce()
            for line in _not_ready(settings.host, port):
                _say(line)

        return supervisor.run(lambda: _healthy(settings.host, port), ready, tail=verbose)


def _commands(settings: Settings, port: int) -> tuple[Command, ...]:
    """In the order in which they are ended: the worker may need its time to take work back."""
    return (
        _command("api", settings.home, "--host", settings.host, "--port", str(port)),
        _command("worker", settings.home, grace_seconds=5.0),
        _command("sweeper", settings.home),
    )


def _command(name: str, home: Path, *flags: str, grace_seconds: float = 1.0) -> Command:
    argv = (sys.executable, "-m", "rescind", name, "--home", str(home), *flags)
    return Command(name, argv, grace_seconds)


def _reserve(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises AlreadyRunning if it is taken, ConfigurationError if there is no such."""
    deadline = time.monotonic() + PORT_PATIENCE_SECONDS
    while True:
        try:
            return _bind(host, port)
        except PermissionError as error:
            raise ConfigurationError(f"Port {port} may not be used: {error.strerror}.") from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigurationError(f"Cannot listen on {host}: {error.strerror}.") from error
            if time.monotonic() > deadline:
                raise AlreadyRunning(f"Port {port} of {host} is taken by another process.") from error
        time.sleep(0.05)


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # As the API's own socket does it: connections that only wait to be forgotten do not count.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=HEALTH_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _not_ready(host: str, port: int) -> Iterator[str]:
    """What the service still waits for, in words: it is up, and accepts work, all the same."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=READY_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/readyz")
            parts = json_module.loads(connection.getresponse().read())["parts"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return  # an API that has just ended again is told of by the supervisor
    missing = {part: reason for part, reason in parts.items() if reason != "ok"}
    yield from (f"not ready: {part}: {reason}" for part, reason in missing.items())
    if missing:
        yield "Work is accepted, and begins by itself when these answer; `rescind doctor` says what helps."


def _reachable(host: str) -> str:
    """Where an address that stands for all of them is reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _announcement(settings: Settings, port: int, json: bool) -> Callable[[], None]:
    host = _reachable(settings.host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    home = settings.home.absolute()

    def announce() -> None:
        if json:
            print(json_module.dumps({"url": url, "home": str(home), "process": os.getpid()}), flush=True)
            return
        print(f"Rescind is up at {url} (the API's description: {url}/docs).", flush=True)
        print(f"It keeps everything in {home}. End it with Ctrl-C.", flush=True)

    return announce


def _say(text: str) -> None:
    print(f"rescind: {text}", file=sys.stderr, flush=True)
