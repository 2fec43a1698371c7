"""Channels, one file each: one attempt, bounded in time.

Retries and order belong to `dispatch`. What they share is in `_base.py`.
"""
