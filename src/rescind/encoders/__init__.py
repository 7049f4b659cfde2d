"""Typed rows to bytes: the opposite of `readers`, one file per format, one Arrow batch at a time.

What an encoder writes, the reader of that format reads back as the same rows. May import `domain` and what lies below.
"""
