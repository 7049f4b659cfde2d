"""`rescind`: the list of commands, and how each of them ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter
from setproctitle import setproctitle

from rescind import __version__
from rescind.cli.exits import Exit, Failure
from rescind.errors import RescindError

HELP = """\
Long database work that you can take back: all or none, once, and stoppable at any moment.

Begin with `rescind up`, then `rescind load flights.csv --into flights --create --wait`.
"""

EPILOGUE = """\
Exit codes: 0 done, 1 failed, 2 usage, 3 already running, 4 the task was stopped, 5 no service answers.
"""

#: Processes that stay: `ps` shows them by these names, however they were started.
LONG_RUNNING = frozenset({"up", "api", "worker", "sweeper"})

#: Command, where it is, and what it does. The module is imported when the command is called.
USER_COMMANDS = (
    ("load", "rescind.cli.load:load", "Load a file into a table."),
    ("inspect", "rescind.cli.inspect:inspect", "Tell what a file holds, and why its columns have their types."),
    ("export", "rescind.cli.export:export", "Put a table into a file, and download it."),
    ("download", "rescind.cli.download:download", "Download the file that a task made."),
    ("generate", "rescind.cli.tasks:generate", "Generate rows of random data."),
    ("tasks", "rescind.cli.tasks:tasks", "List tasks, the newest first."),
    ("show", "rescind.cli.tasks:show", "Show one task."),
    ("commit", "rescind.cli.tasks:commit", "Commit a task that is held."),
    ("stop", "rescind.cli.tasks:stop", "Stop a task and have all that it wrote taken back."),
    ("retry", "rescind.cli.tasks:retry", "Start a failed or stopped task again, as a new task."),
    ("rejects", "rescind.cli.rejects:rejects", "Show the rows that a load rejected, and why."),
)
OPERATOR_COMMANDS = (
    ("up", "rescind.cli.up:up", "Run the whole service on this machine until Ctrl-C."),
    ("api", "rescind.cli.operate:api", "Serve the API."),
    ("worker", "rescind.cli.operate:worker", "Run tasks."),
    ("sweeper", "rescind.cli.operate:sweeper", "Recover, announce and clean up, for ever."),
    ("migrate", "rescind.cli.operate:migrate", "Bring the ledger to this version."),
    ("doctor", "rescind.cli.doctor:doctor", "Check that everything is as it must be."),
    ("recover", "rescind.cli.recover:recover", "Explain what is undecided, and finish it."),
    ("purge", "rescind.cli.operate:purge", "Delete what is past its retention."),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. `argv` has no program name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in LONG_RUNNING:
        setproctitle(" ".join(["rescind", *arguments]))
        os.environ["NOSETPS"] = "1"  # or Celery would call the process by names of its own
    try:
        return int(make_app()(arguments) or Exit.done)
    except CycloptsError:
        return Exit.usage  # it has said what is wrong
    except RescindError as error:
        return _explain(Failure.of(error), as_json="--json" in arguments)
    except Failure as failure:
        return _explain(failure, as_json="--json" in arguments)
    except KeyboardInterrupt:
        return Exit.interrupted
    except BrokenPipeError:
        # `rescind tasks | head`: nobody reads any more. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.done


def make_app() -> App:
    """The command line, described."""
    app = App(
        name="rescind",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version=__version__,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        default_parameter=Parameter(negative=""),
    )
    app["--help"].group = app["--version"].group = Group("Options", sort_key=99)
    for title, commands in (("Work", USER_COMMANDS), ("Service", OPERATOR_COMMANDS)):
        group = Group.create_ordered(title)
        for place, (name, path, text) in enumerate(commands):
            app.command(path, name=name, help=text, group=group, sort_key=place)
    return app


def _explain(failure: Failure, *, as_json: bool) -> int:
    if as_json:  # whoever reads the answer with a program finds it where all answers are
        print(json.dumps({"error": failure.document()}, indent=2, ensure_ascii=False, default=str))
    print(f"rescind: {failure}", file=sys.stderr)
    return failure.code
