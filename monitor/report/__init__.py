"""One self-contained HTML file about a replay or a day: what happened when, who was told, and whether it arrived.

`gather` collects alerts, prices and deliveries from a replay or a running daemon, and `page` draws them. Read `gather` first.
"""
