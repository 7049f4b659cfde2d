"""Workers and the sweeper: claiming tasks, running attempts, watching them, and finishing what others left.

Knows neither Flask nor Celery: what Celery calls is handed out as plain callables. May import `tasks` and what
lies below; never `api`.
"""
