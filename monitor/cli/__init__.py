"""The commands. Nothing else prints. Read `main.py` first."""
