"""All that can happen to the monitor: events, book entries, rates, rows of history. Read `events.py` first."""
