"""The values and rules that everything else speaks in: states, tasks, branches, schemas, rejects, receipts.

Everything here is pure: no files, no sockets, no clock, no database. It may import `errors` only.
"""
