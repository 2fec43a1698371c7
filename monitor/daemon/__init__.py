"""The running monitor: one order for all inputs, commits, reloads, start and stop. Read `app.py` first."""
