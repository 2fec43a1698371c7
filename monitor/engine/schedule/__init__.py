"""When groups in columns come due and what they owe, worked out by column. Read `agenda.py` first."""
