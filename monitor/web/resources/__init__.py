"""The things of the API, one module each: its answers as structs, its handlers, and `ROUTES`.

A module that begins with `_` is shared by others and has no routes.
A new endpoint is a handler and a row of `ROUTES` in one of these modules; the server and the contract find it. What
lives between requests is in `site.py`, and how requests are read in `http.py`. Read `alerts.py` first.
"""
