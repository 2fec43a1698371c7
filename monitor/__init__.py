"""Real-time risk monitor for crypto-backed loans."""
