"""A past day through the same core. Read `run.py` first."""
