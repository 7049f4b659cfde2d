"""Bytes to Arrow batches of typed rows: a reader for each format or family of them, and what they are made of.

A reader knows nothing of tasks, transactions or databases. May import `domain`, `errors`, `pipeline`.
"""
