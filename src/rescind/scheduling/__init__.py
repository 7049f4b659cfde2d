"""Which task runs next: one query.

May import `readers`, `targets`, `ledger` and what lies below.
"""
