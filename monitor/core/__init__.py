"""The meaning: events in, outcomes out, exact and without a clock or any I/O.

`watch/risk.py` is the one door; read it first. What all rooms share (money, text, deadlines, the schema reader) lies here.
"""
