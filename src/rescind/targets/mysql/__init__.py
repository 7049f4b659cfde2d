"""MariaDB and MySQL as a target, by PyMySQL.

Whether a database is one or the other is asked once, in `preflight`, which says what it can do. May import what
`targets` may; knows nothing of the other databases' folders.
"""
