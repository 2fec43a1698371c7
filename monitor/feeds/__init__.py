"""Sources of prices, one module a kind, with `Config` and `build(name, config, clock)`.

A feed turns what its venue sends into quotes, and counts what it ignores and refuses. Whether a price is to be trusted is
decided in `core.prices`. What all share is in `_base`, what the venues share in `_venue`: read them first.
"""
