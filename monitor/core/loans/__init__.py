"""Loans and groups as they are stated, and their interest over time. No prices here. Read `group.py` first."""
