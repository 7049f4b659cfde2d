"""Bytes at rest, whole, with length and SHA-256: uploads, and the files that tasks make.

An upload is kept until its task has committed, an output from then on; either at most for some days, which a setting
says. May import `ledger` and what lies below it; knows no Flask.
"""
