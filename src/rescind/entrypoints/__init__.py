"""Ways in for programs that start us: gunicorn and Celery. Bootstrap and go; nothing else lives here.

May import `bootstrap` and `settings`.
"""
