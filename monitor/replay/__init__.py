"""A past day through the same core, in virtual time: a tape with a book, or a recorded event log.

It sends nothing and stores nothing. `run` plays, `entries` reads book entries of past days. Read `run` first.
"""
