"""Programs for those who change the monitor: they write what is generated, and check and count what tests cannot."""
