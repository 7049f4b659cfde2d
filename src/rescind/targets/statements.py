"""What a task's own statements may do on PostgreSQL and MySQL: read rows, and change rows of the user's tables.

SQLite's own compiler says what a statement does (`sqlite/guard`); the servers have nothing like it, so here the text
is parsed. It is a guard against mistakes, not against malice: what it lets through by some trick meets the proof
that `write_marker` makes. In doubt it refuses: whatever the parser does not know might be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from rescind.domain.schema import hidden
from rescind.errors import StatementRefused
from rescind.targets.guarded import Refusals, refusal

#: A table's name with what qualifies it before it: `("t",)`, `("schema", "t")`.
TableName = tuple[str, ...]

_SHOWN_CHARACTERS = 200
_CACHED_STATEMENTS = 256

_WORDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "("})
#: What a statement may begin with. Asked first: the parser takes COMMENT, CLUSTER or ABORT for names of columns.
_FIRST_WORDS = {
    "postgres": _WORDS,
    "mysql": _WORDS | {"SHOW", "DESCRIBE", "DESC", "EXPLAIN"},
}
_ROOTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Values, exp.Show, exp.Describe)
_STRINGS = (TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.NATIONAL_STRING)
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)

#: Between the verb and the table, and unknown to the parser: it would take them for the table's name.
_MODIFIERS = frozenset({"LOW_PRIORITY", "HIGH_PRIORITY", "IGNORE", "QUICK"})

#: Functions with an effect that no rollback takes back, that reach around the transaction, or that hide a statement.
_REFUSED_FUNCTIONS = re.compile(
    r"""
    set_config | setval | pg_notify | pg_(terminate|cancel)_backend | pg_(try_)?advisory_(lock|unlock)(_shared|_all)?
    | pg_export_snapshot | pg_reload_conf | pg_rotate_logfile | pg_promote | pg_switch_wal | pg_create_restore_point
    | pg_logical_emit_message | pg_replication_\w+ | pg_(create|drop|copy)_\w+_slot
    | pg_(wal|backup|file)_\w+ | pg_stat_reset\w* | pg_(read|ls)_\w+ | lo_(import|export) | dblink\w* | postgres_fdw_\w+
    | (query|cursor|table|schema|database)_to_xml\w* | ts_stat | xpath_table | crosstab\w* | connectby
    | get_lock | release_lock | release_all_locks | load_file | sys_(exec|eval|set) | master_pos_wait
    """,
    re.VERBOSE,
)

_EXECUTABLE_COMMENT = re.compile(r"/\*M?!|/\*\+(?:(?!\*/).)*\bset_var\b", re.IGNORECASE | re.DOTALL)
_UNICODE_NAME = re.compile(r'\bU&"', re.IGNORECASE)
_PLACEHOLDER = re.compile(r"%(?:%|(?:\([^)]*\))?[sbt])")


class StatementGuard(Refusals):
    """Looks at every statement of a task's function before a cursor sends it."""

    def __init__(self, dialect: str) -> None:
        super().__init__()
        self._dialect = dialect

    def look(self, statement: str, parameters: object = None) -> frozenset[TableName]:
        """The tables that it writes to. Raises StatementRefused, and remembers that.

        The statement is as the driver gets it: with parameters (that are not None) a `%s` or `%(name)s` stands for
        each and `%%` for a percent sign.
        """
        try:
            return check(statement if parameters is None else _filled(statement), self._dialect)
        except StatementRefused as error:
            self.remember(error)
            raise


@lru_cache(_CACHED_STATEMENTS)
def check(sql: str, dialect: str) -> frozenset[TableName]:
    """The tables that the statement writes to, qualified as it qualifies them. Raises StatementRefused.

    `dialect` is sqlglot's name: `postgres` or `mysql`. The same text is looked at once: a loop runs it many times.
    """
    if _EXECUTABLE_COMMENT.search(sql):
        raise _refused(sql, "MySQL obeys /*! */ and SET_VAR hints; text that holds them can be passed as a parameter")
    if _UNICODE_NAME.search(sql):
        raise _refused(sql, 'names written as U&"…" are not looked into; write them plainly')
    try:
        text, tokens = _tokens(sql, dialect)
        _check_words(sql, dialect, tokens)
        parsed = sqlglot.parse(_without_haste(text, tokens), dialect=dialect)
    except SqlglotError as error:
        reason = "it cannot be read, so what it does is not known; write it more simply, or as SQLAlchemy expressions"
        raise _refused(sql, reason) from error
    statements = [statement for statement in parsed if not isinstance(statement, exp.Semicolon | None)]
    if len(statements) != 1:
        raise _refused(sql, "one string may hold one statement; run them one after the other")
    return _tables(sql, dialect, statements[0])


def _tokens(sql: str, dialect: str) -> tuple[str, list[Token]]:
    """The statement and its words. REPLACE becomes INSERT: the parser knows it not, and would not look into it."""
    tokens = sqlglot.tokenize(sql, dialect=dialect)
    if tokens and tokens[0].text.upper() == "REPLACE" and dialect == "mysql":
        sql = f"INSERT{sql[tokens[0].end + 1 :]}"
        tokens = sqlglot.tokenize(sql, dialect=dialect)
    return sql, tokens


def _check_words(sql: str, dialect: str, tokens: list[Token]) -> None:
    first = tokens[0].text.upper() if tokens else ""
    if first not in _FIRST_WORDS[dialect]:
        raise _refused(sql, "only SELECT, INSERT, UPDATE, DELETE and their like may be run")
    for token in tokens:
        if token.token_type not in _STRINGS and token.text.lower().startswith("rescind_"):
            raise _refused(sql, f"{token.text} is Rescind's own, or named as if it were")
    for name in _called(tokens):
        if _REFUSED_FUNCTIONS.fullmatch(name):
            raise _refused(sql, f"what {name}() does is not taken back by a rollback, or cannot be seen")


def functions_called(sql: str, dialect: str) -> frozenset[str]:
    """The names, in lower case, before a parenthesis: every function that the statement calls is among them."""
    return frozenset(_called(sqlglot.tokenize(sql, dialect=dialect)))


def _called(tokens: list[Token]) -> Iterator[str]:
    for token, after in pairwise(tokens):
        if after.token_type is TokenType.L_PAREN and token.token_type not in _STRINGS:
            yield token.text.lower()


def _without_haste(text: str, tokens: list[Token]) -> str:
    """The statement without MySQL's words between the verb and the table."""
    rest = 1
    while rest < len(tokens) and tokens[rest].text.upper() in _MODIFIERS:
        rest += 1
    return text if rest in (1, len(tokens)) else f"{tokens[0].text} {text[tokens[rest].start :]}"


def _tables(sql: str, dialect: str, statement: exp.Expr) -> frozenset[TableName]:
    if not isinstance(statement, _ROOTS):
        raise _refused(sql, "only SELECT, INSERT, UPDATE, DELETE and their like may be run")
    if statement.find(exp.Into):
        raise _refused(sql, "SELECT … INTO makes a table, a file or a variable; INSERT … SELECT fills a table")
    for table in statement.find_all(exp.Table):
        if hidden(table.name) or table.name.upper() in _MODIFIERS:
            raise _refused(sql, f"{table.name} is no table for a task")
    writes = (found for found in statement.find_all(*_WRITES) if not isinstance(found.parent, exp.When))
    return frozenset(name for write in writes for name in _written(sql, dialect, write))


def _written(sql: str, dialect: str, write: exp.Expr) -> Iterator[TableName]:
    """What one INSERT, UPDATE, DELETE or MERGE writes to; of MySQL's statement over joined tables all of them."""
    targets = [write.this]
    if dialect == "mysql" and write.args.get("using"):
        targets = write.args["using"]  # DELETE FROM alias USING table AS alias JOIN …
    targets = [target.this if isinstance(target, exp.Schema) else target for target in targets]
    targets += [join.this for target in targets for join in target.args.get("joins") or []]
    for table in targets:
        if not isinstance(table, exp.Table) or not table.name:
            raise _refused(sql, "it is not clear which table it writes to")
        yield tuple(_folded(part, dialect) for part in table.parts)


def _folded(name: exp.Expr, dialect: str) -> str:
    """PostgreSQL takes a name for lower case unless it is quoted."""
    return name.name.lower() if dialect == "postgres" and not name.args.get("quoted") else name.name


def _filled(statement: str) -> str:
    """The statement with NULL for each parameter."""
    return _PLACEHOLDER.sub(lambda found: "%" if found[0] == "%%" else "NULL", statement)


def _refused(sql: str, reason: str) -> StatementRefused:
    shown = sql if len(sql) <= _SHOWN_CHARACTERS else sql[:_SHOWN_CHARACTERS] + " …"
    return refusal(f"{shown!r}; {reason}")
