"""A million groups in columns. float64 lives here alone: it holds and selects, core decides.

Read `book.py` first, then `docs/engine.md`.
"""
