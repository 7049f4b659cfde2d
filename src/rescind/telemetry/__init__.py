"""What Rescind says while it works: structured log lines, each with an `action` and the task's context.

May import `errors` and `failpoints` only.
"""
