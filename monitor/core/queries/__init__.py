"""Exact answers about one group between two events: why it stands there, what if.

Nothing is changed. Read `explain.py` first.
"""
