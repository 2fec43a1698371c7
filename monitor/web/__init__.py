"""The HTTP side: requests, answers, the stream, the page.

It gets a view and an inbox, never the monitor. Read `app.py` first.
"""
