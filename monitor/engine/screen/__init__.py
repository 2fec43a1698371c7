"""The fast screen: sums of all groups at any prices, and which groups core must look at.

Read `block_screen.py` and `screen.py` first. The compiled loops are in `kernels.py`.
"""
