"""The fast screen: sums of all groups at any prices, and who must be looked at.

Compiled loops. Read `screen.py` first.
"""
