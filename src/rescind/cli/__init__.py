"""The command line: what a person types, and what they are told.

User commands (`load`, `show`, `stop`, …) speak HTTP to a running service and import none of it, so that they
start quickly and work from another machine. Operator commands (`api`, `worker`, `migrate`, …) use `bootstrap`;
`main` names them by their import path, and only the one that is called is imported.
"""
