"""The commit protocol: write all, prepare all, decide, commit all; and its mirror, recovery.

It knows no files, no Flask, no Celery and no database's name: the body to run is handed to it as a callable, a
database as a `Target`. May import `targets` (the contract), `ledger`, `domain`, `errors`, `failpoints`.
"""
