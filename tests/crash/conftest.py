"""What the kill tests share: every delivery that a receiver got is verified."""

from tests.signatures import every_delivery_verifies as every_delivery_verifies
