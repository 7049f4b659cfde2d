"""`python -m rescind.testing.memory SOCKET`: the server as a process of its own."""

from __future__ import annotations

import sys

from rescind.testing.memory.server import serve

if __name__ == "__main__":
    serve(sys.argv[1])
