"""A private RabbitMQ, with an epmd of its own, and without RabbitMQ's slow command-line tools."""

from __future__ import annotations

import os
import subprocess
from urllib.parse import quote

import amqp
from tests.support.servers.programs import program
from tests.support.servers.server import PASSWORD, USER, Server, dying_with_us, free_port

DEBIAN = ["/usr/lib/rabbitmq/bin"]  # the one in /usr/sbin is a wrapper that changes the user
COOKIE = "rescind"


class RabbitMQ(Server):
    """`settings` are lines of rabbitmq.conf: `RabbitMQ(consumer_timeout=1000)`. Raises AbsentError."""

    def __init__(self, **settings: str | int) -> None:
        self._server = program("rabbitmq-server", DEBIAN)
        self._names = program("epmd", ["/usr/lib/erlang/bin"])
        self._caller = program("erl_call", ["/usr/lib/erlang/bin", "/usr/lib/erlang/lib/erl_interface-*/bin"])
        self._settings: dict[str, str | int] = {"default_user": USER, "default_pass": PASSWORD, **settings}
        super().__init__()
        self._names_port, self._distribution_port = free_port(), free_port()
        self._name_server: subprocess.Popen[bytes] | None = None

    def url(self, vhost: str = "%2f") -> str:
        return f"amqp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{vhost}"

    def make_vhost(self) -> str:
        """The URL of a new, empty virtual host; in some milliseconds."""
        name = self.next_name()
        self.evaluate(f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)')
        everything = '<<".*">>, <<".*">>, <<".*">>'
        self.evaluate(
            f'rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, <<"{name}">>, {everything}, <<"tests">>)'
        )
        return self.url(name)

    def settle(self) -> None:
        """Write down which quorum queues there are, which RabbitMQ does some seconds late.

        RabbitMQ 3.10, killed within these seconds, comes back with a queue that has no leader and never gets one.
        """
        self.evaluate("[ok = dets:sync(Table) || Table <- dets:all()]")

    def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression in the server: what `rabbitmqctl eval` does, in a hundredth of the time."""
        command = [self._caller, "-c", COOKIE, "-n", self._node, "-e"]
        done = subprocess.run(
            command, input=f"{expression}.\n", env=self.environment(), capture_output=True, text=True, check=True
        )
        if not done.stdout.startswith("{ok, "):
            raise RuntimeError(f"{expression}: {done.stdout}{done.stderr}")
        return done.stdout.removeprefix("{ok, ").removesuffix("}")

    def install(self) -> None:
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        (self.directory / "rabbitmq.conf").write_text("\n".join([*lines, ""]))
        (self.directory / "plugins").write_text("[].")
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        # Ours, since the one that Erlang would start is a daemon that outlives everybody.
        self._name_server = subprocess.Popen(
            dying_with_us(self._names, "-port", str(self._names_port), "-address", "127.0.0.1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def command(self) -> list[str]:
        return dying_with_us(self._server)

    def environment(self) -> dict[str, str]:
        own = {
            "HOME": self.directory,
            "ERL_EPMD_PORT": self._names_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": self._distribution_port,
            "RABBITMQ_MNESIA_BASE": self.directory / "mnesia",
            "RABBITMQ_LOG_BASE": self.directory / "log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": self.directory / "pid",
            "RABBITMQ_CONFIG_FILE": self.directory / "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.directory / "advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": self.directory / "generated",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.directory / "plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",  # the machine's own settings are none of the tests' business
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2 -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            # The script then becomes the server: a child of it would not be killed with us.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        return dict(os.environ) | {name: str(value) for name, value in own.items()}

    def answers(self) -> bool:
        connection = amqp.Connection(
            f"127.0.0.1:{self.port}", userid=USER, password=PASSWORD, connect_timeout=5, read_timeout=5
        )
        try:
            connection.connect()
        except (OSError, amqp.AMQPError):
            return False
        finally:
            connection.collect()
        return True

    def set_up(self) -> None:
        """The user is in the settings."""

    def end(self) -> None:
        """With the names' process, which is none of its children."""
        super().end()
        if self._name_server is not None:
            self._name_server.kill()
            self._name_server.wait()

    @property
    def _node(self) -> str:
        return f"rescind-{self.port}@localhost"
