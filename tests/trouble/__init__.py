"""An hour of trouble: one daemon, all faults by seed, and an oracle that works out what it must have said."""
