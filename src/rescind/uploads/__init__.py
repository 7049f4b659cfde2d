"""Receiving bytes and keeping them: whole, with length and SHA-256, until their task has ended.

May import `readers`, `targets`, `ledger` and what lies below; knows no Flask.
"""
