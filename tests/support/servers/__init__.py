"""The suite's own servers: MariaDB, PostgreSQL and RabbitMQ from the machine's programs, private and on loopback.

May import nothing of `rescind`: a server is the same whatever is tested against it.
"""
