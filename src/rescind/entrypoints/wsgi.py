"""`gunicorn rescind.entrypoints.wsgi:app`, for people who run gunicorn themselves.

Without `--preload`: nothing that is opened here survives a fork.
"""

from __future__ import annotations

from rescind import bootstrap, settings

_settings = settings.load()
bootstrap.start(_settings, "api")
app = bootstrap.api_app(_settings)
