"""Kinds of loans, one file each: how the rules of a lender are read. What they share is in `_base.py`."""
