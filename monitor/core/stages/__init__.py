"""The stage table, and the decision on one group: from what it weighs to its new state.

Pure. Read `stages.py` first.
"""
