"""Celery and its brokers: the application, the embedded broker, and the thread that announces tasks.

An announcement only wakes a worker up; what is lost, doubled or forged here changes no outcome, and the sweeper
announces again. What a wake-up does is given as a callable: nothing here may import `worker` or `api`.
"""
