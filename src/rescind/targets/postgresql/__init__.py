"""PostgreSQL 13 and later as a target, by psycopg 3 and SQLAlchemy's dialect over it.

A transaction is prepared under the branch's name and survives its session. May import what `targets` may; knows
nothing of the other databases' folders.
"""
