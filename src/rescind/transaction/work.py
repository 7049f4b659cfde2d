"""The branches of one attempt: registered, then opened at first use; marked, prepared and closed together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rescind import failpoints
from rescind.domain.branch import BranchId, MarkerKind, Protocol
from rescind.domain.task import Task
from rescind.errors import Fenced, RescindError, TargetConflict, TransactionBroken
from rescind.ledger import branches as ledger_branches
from rescind.ledger.engine import Ledger
from rescind.targets.target import Branch, Target
from rescind.transaction.control import Control


class Work:
    """What the body of a task gets to write with. `written` counts rows by target, for the markers."""

    def __init__(
        self, ledger: Ledger, targets: Mapping[str, Target], task: Task, plan: Mapping[str, Protocol], control: Control
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._plan = plan
        self._open: dict[str, Branch] = {}
        self.task = task
        self.control = control
        self.written: Counter[str] = Counter()

    def branch(self, target: str) -> Branch:
        """The branch in that target, begun at the first call. Raises KeyError for a target not of this task."""
        if target not in self._open:
            self._begin(target, self._plan[target])
        return self._open[target]

    def target(self, name: str) -> Target:
        """The target itself, for reads outside the transaction."""
        return self._targets[name]

    def mark(self, checksum: str) -> None:
        """Write every marker, last of all. A target that was not touched gets its branch and marker too."""
        for name in self._plan:
            self.branch(name)
        failpoints.hit("branch.after_data")
        for name, branch in self._open.items():
            self.control.check()
            failpoints.hit("branch.before_marker")
            branch.write_marker(self.written[name], checksum)
            failpoints.hit("branch.after_marker")

    def prepare(self) -> None:
        """Prepare the two-phase branches and see each of them listed (PROTOCOL R7)."""
        for name, branch in self._of(Protocol.two_phase):
            self.control.check()
            failpoints.hit("prepare.before")
            branch.prepare()
            failpoints.hit("prepare.sent_no_reply")
            failpoints.hit("prepare.after")
            failpoints.hit("prepare.before_list")
            if branch.id not in self._targets[name].list_prepared(branch.id.ledger):
                raise TransactionBroken(f"Target {name} does not list {branch.id} after PREPARE.")
            failpoints.hit("prepare.after_list")

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

    def close(self) -> list[BranchId]:
        """End every session of ours; the branches whose session is proven gone."""
        self.control.forget_cancels()
        for branch in self._open.values():
            branch.close()
        ended = [branch.id for name, branch in self._open.items() if self._gone(name, branch)]
        self._open.clear()
        return ended

    def _prove(self, target: str, branch: BranchId) -> None:
        """See the one-phase branch's marker before any other branch commits.

        A COMMIT of a failed transaction answers ROLLBACK without an error: the prepared branches would commit
        without it (PROTOCOL R7, R8).
        """
        found = self._targets[target].markers(branch.ledger, branch.task)
        if not any(marker.kind is MarkerKind.marker and marker.branch == branch for marker in found):
            raise TargetConflict(f"Target {target} does not show the marker of {branch} after COMMIT.")

    def _gone(self, target: str, branch: Branch) -> bool:
        # A close proves nothing: a PREPARE whose reply was lost may be carried out later (PROTOCOL R6).
        try:
            return self._targets[target].end_session(branch.session)
        except RescindError:
            return False

    def _of(self, protocol: Protocol) -> list[tuple[str, Branch]]:
        return [(name, branch) for name, branch in self._open.items() if self._plan[name] is protocol]

    def _begin(self, target: str, protocol: Protocol) -> None:
        number = list(self._plan).index(target)
        branch_id = BranchId(*self._ledger.identity(), self.task.id, self.task.attempt, number)
        self.control.check()
        branch = self._targets[target].open_branch(branch_id, protocol)
        try:
            failpoints.hit("branch.before_register")
            with self._ledger.write() as connection:
                if not ledger_branches.register(connection, self.task, branch_id, target, protocol, branch.session):
                    raise Fenced(f"Attempt {self.task.attempt} of task {self.task.id} is not at work any more.")
            failpoints.hit("branch.after_register")
        except BaseException:
            branch.close()
            raise
        self._open[target] = branch
        self.control.on_interrupt(branch.cancel)
        try:
            branch.start()
        except BaseException:
            # A function that hides this and goes on would otherwise write without a transaction.
            branch.close()
            raise
        failpoints.hit("branch.after_start")
