"""Sources of flexible rates that change with the market, one module a kind, with `Config` and `build(name, config, clock)`.

How rates and the versions of a product make one curve is in `core.loans`. Read `_base` first.
"""
