"""A private PostgreSQL with production's durability."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from urllib.parse import quote

import psycopg
from tests.support.servers.programs import AbsentError, program
from tests.support.servers.server import PASSWORD, USER, Server, dying_with_us

ADMIN = "admin"
DEBIAN = ["/usr/lib/postgresql/*/bin"]
COMMON: dict[str, str | int] = {
    "max_prepared_transactions": 64,
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the data directory: nothing is left in /dev/shm by a kill
}


class PostgreSQL(Server):
    """`settings` are the server's own: `PostgreSQL(max_prepared_transactions=0)`. Raises AbsentError."""

    end_signal = signal.SIGINT  # SIGTERM would wait for clients

    def __init__(self, **settings: str | int) -> None:
        self._server = program("postgres", DEBIAN)
        self._installer = program("initdb", DEBIAN)
        self._user = _other_user() if os.geteuid() == 0 else None
        self._settings = COMMON | settings
        super().__init__()

    def url(self, database: str) -> str:
        """For the user, who owns the databases of `make_database` and may do nothing else."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        return f"postgresql://{ADMIN}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """The URL of a new, empty database."""
        name = self.next_name()
        self._execute(f"CREATE DATABASE {name} OWNER {USER}")
        return self.url(name)

    def install(self) -> None:
        password = self.directory / "password"
        password.write_text(PASSWORD)
        if self._user:
            for path in (self.directory, password):
                shutil.chown(path, self._user.pw_uid, self._user.pw_gid)
        options = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--username={ADMIN}", "--no-sync"]
        files = [f"--pgdata={self.directory}/data", f"--pwfile={password}"]
        self.run_to_the_end(*dying_with_us(self._installer, *options, *files, user=self._user))

    def command(self) -> list[str]:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        server = [self._server, "-D", f"{self.directory}/data", "-p", str(self.port), *settings]
        return dying_with_us(*server, user=self._user)

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def set_up(self) -> None:
        self._execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")

    def end(self) -> None:
        """Not by a kill alone: that leaves a segment of shared memory."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None
        super().end()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.admin_url(), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)


def _other_user() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AbsentError("PostgreSQL refuses root, and a user that it could run as")
