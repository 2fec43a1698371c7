"""The HTTP side: requests, answers, the stream, the page.

The web gets a published view and an inbox, never the monitor itself. What it shows is in `resources/`, one module for each
thing of the API; how it decides what a group is worth is not here but in core. Read `app.py` first, then `site.py`.
"""
