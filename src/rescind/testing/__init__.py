"""For those who write targets or test against them: the conformance suite and an in-memory target.

Nothing of the service imports this package. May import everything up to `targets`; `conformance` needs pytest.
"""
