"""The branches of one attempt: registered, then opened at first use; marked, prepared and closed together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Table
from rescind.domain.task import Task
from rescind.errors import Fenced, RescindError, TargetConflict, TargetRefused, TransactionBroken
from rescind.ledger import branches as ledger_branches
from rescind.ledger.engine import Ledger
from rescind.targets.target import Branch, Target
from rescind.transaction import proof
from rescind.transaction.control import Control


class Work:
    """What the body of a task gets to write with. `written` counts rows by branch, for the markers."""

    def __init__(
        self, ledger: Ledger, targets: Mapping[str, Target], task: Task, plan: Sequence[Protocol], control: Control
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._plan = plan
        self._open: dict[int, Branch] = {}
        self._begun: set[int] = set()
        self._opening = False
        self.task = task
        self.control = control
        self.written: Counter[int] = Counter()

    def ids(self) -> list[tuple[str, BranchId]]:
        """The target and the name of each open branch."""
        return [(self.task.targets[number], branch.id) for number, branch in self._open.items()]

    def in_use(self) -> set[str]:
        """The targets of the open branches; none while a further one cannot be opened."""
        return set() if self._opening else {self.task.targets[number] for number in self._open}

    def numbers(self, target: str) -> list[int]:
        """The branches that the task has in that target. Raises KeyError for a target that is not the task's."""
        found = [number for number, name in enumerate(self.task.targets) if name == target]
        if not found:
            raise KeyError(f"the task has no target {target!r}; it has {', '.join(dict.fromkeys(self.task.targets))}")
        return found

    def branch(self, target: str) -> Branch:
        """The (first) branch in that target, begun at the first call. Raises KeyError for a target not of this task."""
        return self.begun(self.numbers(target)[0])

    def begun(self, number: int) -> Branch:
        """The branch of that number, in its transaction."""
        if number not in self._begun:
            self._begin(number)
        return self._open[number]

    def target(self, name: str) -> Target:
        """The target itself, for reads outside the transaction."""
        return self._targets[name]

    def makes_inside(self, target: str) -> bool:
        """Whether DDL there is part of the transaction."""
        return self._targets[target].capabilities().makes_tables_inside

    def create_table(self, target: str, table: Table) -> None:
        """Make the table in the target's (first) branch; where DDL commits by itself, on record before (PROTOCOL R12).

        Raises TargetRefused where that is too late: the branch has begun to write.
        """
        if self.makes_inside(target):
            self.branch(target).create_table(table)
            return
        number = self.numbers(target)[0]
        if number in self._begun:
            raise TargetRefused(f"Target {target} makes tables only before the task has written to it.")
        branch = self._opened(number)
        failpoints.hit("ddl.before_record")
        with self._ledger.write() as connection:
            if not ledger_branches.note_table(connection, self.task, branch.id, table.name):
                raise self._fenced()
        failpoints.hit("ddl.after_record")
        self.control.check()
        try:
            branch.create_table(table)
        except TargetConflict:
            raise  # an answer: a table of that name is there
        except BaseException:
            # The answer is lost and the table may still come: a function that hides this must not commit without it.
            self._begun.add(number)
            branch.close()
            raise
        failpoints.hit("ddl.after_ddl")

    def mark(self, checksum: str) -> None:
        """Write every marker, last of all. A target that was not touched gets its branch and marker too."""
        for number in range(len(self._plan)):
            self.begun(number)
        failpoints.hit("branch.after_data")
        for number, branch in self._open.items():
            self.control.check()
            failpoints.hit("branch.before_marker")
            branch.write_marker(self.written[number], checksum)
            failpoints.hit("branch.after_marker")

    def check_constraints(self) -> None:
        """What the databases would check at the commit only, for a dry run."""
        for branch in self._open.values():
            self.control.check()
            branch.check_constraints()

    def locks(self) -> dict[str, str]:
        """What each branch holds, in words, by its name; before `prepare`."""
        return {f"{self.task.targets[number]}.{number}": self._open[number].locks() for number in sorted(self._open)}

    def prepare(self) -> None:
        """Prepare the two-phase branches and see each of them listed (PROTOCOL R7)."""
        for name, branch in self._of(Protocol.two_phase):
            self.control.check()
            failpoints.hit("prepare.before")
            branch.prepare()
            failpoints.hit("prepare.sent_no_reply")
            failpoints.hit("prepare.after")
            failpoints.hit("prepare.before_list")
            self.expect_listed(name, branch.id)
            failpoints.hit("prepare.after_list")

    def expect_listed(self, target: str, branch: BranchId) -> None:
        """Raise TransactionBroken unless the branch is among the target's prepared ones."""
        if branch not in self._targets[target].list_prepared(branch.ledger):
            raise TransactionBroken(f"Target {target} does not list {branch} as prepared.")

    def commit(self) -> None:
        """Commit the one-phase branch first (its marker is the decision), then the prepared ones.

        Whatever is raised decides nothing: recovery looks at the markers.
        """
        for name, branch in self._of(Protocol.one_phase):
            failpoints.hit("commit1p.before")
            branch.commit()
            failpoints.hit("commit1p.sent_no_reply")
            failpoints.hit("commit1p.after")
            if len(self._open) > 1:
                self._prove(name, branch.id)
        for _, branch in self._of(Protocol.two_phase):
            failpoints.hit("commit2p.before")
            branch.commit()
            failpoints.hit("commit2p.sent_no_reply")
            failpoints.hit("commit2p.after")

    def roll_back(self) -> None:
        """Take back what our own sessions hold. Only after the ledger says `aborting`."""
        for branch in self._open.values():
            branch.rollback()

    def left_to_undo(self) -> int | None:
        """Rows that our sessions' rollbacks have still to take back; None where no database tells."""
        told = [self._left(number, branch) for number, branch in list(self._open.items())]
        known = [rows for rows in told if rows is not None]
        return sum(known) if known else None

    def close(self) -> list[BranchId]:
        """End every session of ours; the branches whose session is proven gone."""
        self.control.forget_cancels()
        for branch in self._open.values():
            branch.close()
        ended = [branch.id for number, branch in self._open.items() if self._gone(number, branch)]
        self._open.clear()
        self._begun.clear()
        return ended

    def _prove(self, target: str, branch: BranchId) -> None:
        """See the one-phase branch's marker before any other branch commits.

        A COMMIT of a failed transaction answers ROLLBACK without an error: the prepared branches would commit
        without it (PROTOCOL R7, R8).
        """
        if proof.marker_of(self._targets[target], branch) is None:
            raise TargetConflict(f"Target {target} does not show the marker of {branch} after COMMIT.")

    def _left(self, number: int, branch: Branch) -> int | None:
        try:
            return self._targets[self.task.targets[number]].left_to_undo(branch.session)
        except RescindError:
            return None

    def _gone(self, number: int, branch: Branch) -> bool:
        # A close proves nothing: a PREPARE whose reply was lost may be carried out later (PROTOCOL R6).
        try:
            return self._targets[self.task.targets[number]].end_session(branch.session)
        except RescindError:
            return False

    def _of(self, protocol: Protocol) -> Iterator[tuple[str, Branch]]:
        for number, branch in self._open.items():
            if self._plan[number] is protocol:
                yield self.task.targets[number], branch

    def _opened(self, number: int) -> Branch:
        """Connected and in the ledger, no transaction yet."""
        if number not in self._open:
            self._open_branch(number)
        return self._open[number]

    def _open_branch(self, number: int) -> None:
        target, protocol = self.task.targets[number], self._plan[number]
        branch_id = BranchId(*self._ledger.identity(), self.task.id, self.task.attempt, number)
        self.control.check()
        self._opening = True
        branch = self._targets[target].open_branch(branch_id, protocol)
        self._opening = False
        try:
            failpoints.hit("branch.before_register")
            with self._ledger.write() as connection:
                if not ledger_branches.register(connection, self.task, branch_id, target, protocol, branch.session):
                    raise self._fenced()
            failpoints.hit("branch.after_register")
        except BaseException:
            branch.close()
            raise
        self._open[number] = branch
        self.control.on_interrupt(branch.cancel)

    def _begin(self, number: int) -> None:
        branch = self._opened(number)
        self._begun.add(number)  # for good: a function that hides an error here finds a closed branch from now on
        try:
            branch.start()
        except BaseException:
            branch.close()
            raise
        failpoints.hit("branch.after_start")

    def _fenced(self) -> Fenced:
        return Fenced(f"Attempt {self.task.attempt} of task {self.task.id} is not at work any more.")
