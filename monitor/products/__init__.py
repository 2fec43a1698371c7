"""Kinds of loans, one module a kind, with `load(table)`, which reads the rules of a lender from a product file.

A product is data: `core.rules.product` says what a version of its rules may hold, and core decides by it. No module here
decides anything, reads a clock or a file. What product files have in common is in `_base`; read `vip_loan` first.
"""
