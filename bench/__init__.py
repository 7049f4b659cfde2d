"""Measurements of speed and memory. They print figures and assert nothing: a machine may be busy."""
