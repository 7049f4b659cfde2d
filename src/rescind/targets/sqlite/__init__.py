"""SQLite as a target, by the standard library's `sqlite3` and no other copy of SQLite.

A second library in the process would drop the first one's POSIX locks whenever it closes the file. May import
what `targets` may; knows nothing of the other databases' folders.
"""
