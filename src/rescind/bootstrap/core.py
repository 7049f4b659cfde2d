"""What every kind of process needs, and how it begins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from celery import Celery

from rescind import failpoints
from rescind.broker.application import make_celery
from rescind.domain.upload import Upload
from rescind.ledger import migrate as migration
from rescind.ledger.engine import Ledger
from rescind.pipeline import Check
from rescind.readers.media import in_charset
from rescind.readers.options import Options
from rescind.readers.reader import Opener, Reader, Source, usual_opener
from rescind.readers.registry import open_reader
from rescind.settings import Settings
from rescind.targets.registry import TargetRegistry, open_targets
from rescind.tasks.registry import TaskRegistry
from rescind.telemetry import logs
from rescind.transaction.forget import Forgetter
from rescind.transaction.recovery import Recovery
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore


@dataclass(frozen=True)
class Core:
    """What every kind of process needs."""

    settings: Settings
    ledger: Ledger
    targets: TargetRegistry
    registry: TaskRegistry
    uploads: UploadStore

    def close(self) -> None:
        """Let go of every connection."""
        self.targets.close()
        self.ledger.close()

    @property
    def outputs(self) -> OutputStore:
        return OutputStore(self.settings.outputs_directory(), self.ledger, self.settings.output_days)

    def recovery(self) -> Recovery:
        return Recovery(self.ledger, self.targets)

    def forgetter(self) -> Forgetter:
        return Forgetter(self.ledger, self.targets, self.settings.task_days)

    def source(self, upload: Upload, options: Options, opener: Opener = usual_opener) -> Source:
        """Raises InvalidArguments where the options and the upload's Content-Type contradict each other."""
        return Source(
            self.uploads.path(upload),
            self.settings.max_record_bytes,
            self.settings.max_expanded_bytes,
            in_charset(options, upload.content_type),
            upload.filename,
            upload.content_type,
            open=opener,
        )

    def open_upload(self, upload: Upload, options: Options, check: Check, opener: Opener) -> Reader:
        return open_reader(self.source(upload, options, opener), check)


def open_core(settings: Settings) -> Core:
    """Open the ledger and the targets. Raises ConfigurationError; connects to nothing yet."""
    ledger = Ledger(settings.ledger())
    uploads = UploadStore(
        settings.uploads_directory(), ledger, settings.max_upload_bytes, keep_days=settings.upload_days
    )
    registry = TaskRegistry(settings.tasks, settings.max_generate_rows)
    targets = open_targets(settings.target_urls(), settings.two_phase, settings.lock_seconds)
    return Core(settings, ledger, targets, registry, uploads)


def connected_celery(settings: Settings, wake: Callable[[str], None] | None = None) -> Celery:
    """The Celery application with the broker of the settings. Raises ConfigurationError for one that cannot be."""
    return make_celery(settings.broker(), settings.home, queue_type=settings.broker_queue, wake=wake)


def start(settings: Settings, process: str) -> None:
    """What each process does first: its log, and the failpoints that a test may have armed."""
    logs.configure(settings.log_level, settings.log_json, process)
    failpoints.arm_from_environment()


def check_before_forking(settings: Settings) -> None:
    """What a child could only fail at. The connection is closed again, since a child must not inherit it."""
    TaskRegistry(settings.tasks, settings.max_generate_rows)
    with closing(Ledger(settings.ledger())) as ledger:
        migration.check(ledger)
