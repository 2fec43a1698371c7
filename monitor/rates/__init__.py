"""Sources of flexible rates that change: one file each, found by its kind."""
