"""Killing real servers in the middle of a run, and starting them again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.crash.scenario import Death
from tests.crash.traps import DYING, note
from tests.crash.world import World
from tests.support.servers.server import Server

DOWN_SECONDS = 0.1  #: how long a server stays down that a trap has killed


@dataclass
class Deaths:
    """`servers` are the runner's own; `planned` die at their time, others when a trap of a child wishes it."""

    world: World
    servers: Mapping[str, Server]
    planned: tuple[Death, ...]
    began: float = field(default_factory=time.monotonic)
    back_at: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Kill what is to die by now, start what has been dead for long enough."""
        now = time.monotonic()
        for death in [death for death in self.planned if now - self.began >= death.after]:
            self.planned = tuple(other for other in self.planned if other is not death)
            self._kill(death.server, death.down)
        for name in self.servers:
            wish = self.world.file(f"{name}{DYING}")
            if wish.exists():
                self._kill(name, DOWN_SECONDS)
                wish.unlink()
        for name in [name for name, at in self.back_at.items() if now >= at]:
            del self.back_at[name]
            self.servers[name].start()

    def over(self) -> None:
        """No server dies any more, and all are there."""
        self.planned = ()
        for name in list(self.back_at):
            del self.back_at[name]
            self.servers[name].start()

    def _kill(self, name: str, down: float) -> None:
        if name not in self.back_at:
            self.servers[name].kill()
            note(self.world.file("deaths"), name)
        self.back_at[name] = time.monotonic() + down
