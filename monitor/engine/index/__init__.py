"""From an id or an account to a row, for millions of keys. Read `index.py` first."""
