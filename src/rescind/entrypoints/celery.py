"""`celery -A rescind.entrypoints.celery worker`, for people who run Celery themselves."""

from __future__ import annotations

from rescind import bootstrap, settings

app = bootstrap.celery_app(settings.load())
