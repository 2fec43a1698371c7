"""Handed cases: small inputs that once failed, played against the real daemon. `player.py` plays, the folders hold them.

A case stands for its kind, so each has siblings in its test. `make test` plays them faster than they were, `make cases` as
they were (`CASES_SPEED=1`).
"""
