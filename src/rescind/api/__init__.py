"""The HTTP API: Flask with APIFlask, OpenAPI 3.1, errors as RFC 9457 problem documents.

`create_app` is given everything it works with; nothing is kept in globals. A request commits a row in the
ledger and answers: it never talks to the broker and never writes to a target. May import `tasks` and what lies
below; knows no worker, no broker and no `bootstrap`.
"""
