"""Deadlines and debts of groups in columns, by column. Read `dates.py` first."""
