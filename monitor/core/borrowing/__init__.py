"""What a borrower may borrow, withdraw and do, with reasons. Pure. Read `permissions.py` first."""
