"""Sources of prices, one module a kind, with `Config` and `build(name, config, clock)`.

A feed turns what its venue sends into quotes, and counts what it ignores and refuses. Whether a price is to be trusted is
decided in `core.prices`. What feeds share, with a websocket that stays up, is in `_base`: read it first.
"""
