"""`make bench`: Rescind beside the databases' own clients and what people would use instead, for docs/benchmarks.md.

The others run in an environment of their own (`requirements-peers.lock`): of this package only `outsiders` and `plots`
are run there, and these two import nothing of the rest.
"""
