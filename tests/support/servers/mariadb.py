"""A private MariaDB with production's durability."""

from __future__ import annotations

import os
from contextlib import closing
from urllib.parse import quote

import pymysql
from tests.support.servers.programs import program
from tests.support.servers.server import PASSWORD, USER, Server, dying_with_us

DURABLE: dict[str, str | int] = {
    "innodb_flush_log_at_trx_commit": 1,
    "innodb_buffer_pool_size": "64M",
    "local_infile": 1,
}


class MariaDB(Server):
    """`settings` are the server's own: `MariaDB(max_connections=8)`. Raises AbsentError."""

    def __init__(self, **settings: str | int) -> None:
        self._server = program("mariadbd")
        self._installer = program("mariadb-install-db")
        self._settings = DURABLE | settings
        super().__init__()

    def url(self, database: str) -> str:
        """For the user, who may do everything in the databases of `make_database` and nothing else."""
        return f"mysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: str = "mysql") -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """The URL of a new, empty database."""
        name = self.next_name()
        self._execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url(name)

    def install(self) -> None:
        self.run_to_the_end(self._installer, *self._common(), "--auth-root-authentication-method=normal")

    def command(self) -> list[str]:
        files = [f"--socket={self.directory}/socket", f"--pid-file={self.directory}/pid"]
        network = ["--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return dying_with_us(self._server, *self._common(), *files, *network, *settings)

    def answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def set_up(self) -> None:
        self._execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
        self._execute(rf"GRANT ALL ON `test\_%`.* TO {USER}@'%'")

    def _common(self) -> list[str]:
        # As whoever runs the tests, also as root: a server that changes its user is not killed with its parent.
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        # A server that starts deletes the temporary tables in its tmpdir, also those of its neighbours.
        places = [f"--datadir={self.directory}/data", f"--tmpdir={self.directory}"]
        return ["--no-defaults", *places, *as_root]

    def _execute(self, statement: str) -> None:
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=5)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
