"""The rules of products and the settings of the desk, as data.

How a file is read is in `products/`. Read `product.py` first.
"""
