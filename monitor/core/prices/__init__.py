"""Quotes, whether they are believed, and the board of prices in force. Read `board.py` first."""
