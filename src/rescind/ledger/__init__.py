"""The ledger: the durable memory of every task. It is the queue and the truth.

SQLAlchemy Core over SQLite, PostgreSQL, MySQL and MariaDB, with the same statements. Functions take an open connection,
so that the caller sees where its transaction begins and ends; a transition is one guarded UPDATE
that answers whether it found what it expected. May import `domain`, `settings`, `telemetry`, `errors`,
`failpoints`, `process` and `urls`; knows no targets, no Flask, no Celery.
"""
