"""Tasks: the public decorator, the registry, submitting, and the built-in ones, which use the same public API.

`from rescind.tasks import transactional, Transaction` is all that a user's module needs. May import `uploads`,
`transaction`, `scheduling` and what lies below; knows no Flask and no Celery.
"""

from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import UploadId, transactional

__all__ = ["Transaction", "UploadId", "transactional"]
