"""What `deploy/` holds, tried with the real programs that read it. Where one is absent, its tests skip and say so."""
