"""Bytes to Arrow batches of typed rows, one file per format.

A reader knows nothing of tasks, transactions or databases. May import `domain`, `errors`, `failpoints`.
"""
