"""Databases that receive writes: the contract (`target.py`), what each can do, and one folder per database.

Every folder has the same file names: target, branch, session, writer, upsert, catalog, columns, arrow, sql, preflight,
failures. Driver errors end at this edge. May import `domain`, `settings`, `telemetry`, `errors`, `failpoints` and
`process`; knows neither the ledger nor the protocol that drives it.
"""
