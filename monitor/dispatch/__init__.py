"""From a committed alert to a delivered notice: order, retries, breakers. Read `worker.py` first, then `channel.py`."""
