"""From an id or an account to a row, and what is kept by row. Read `rows.py` first."""
