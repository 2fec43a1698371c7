"""The formulas: recognised value, LTV, ways back, liquidation prices, what a liquidation costs.

Pure. Read `valuation.py` first.
"""
