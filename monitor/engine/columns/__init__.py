"""One block of groups as arrays, exactly: how it is packed, read, joined and stored.

Read `fields.py` and `block.py` first.
"""
