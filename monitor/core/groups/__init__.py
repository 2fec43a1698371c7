"""One group under watch, the book that holds all of them, and what may change it.

Read `record.py` and `loan_book.py` first.
"""
