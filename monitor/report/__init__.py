"""One self-contained HTML file about a replay or a day: what happened when, to whom it was told, and whether it arrived."""
