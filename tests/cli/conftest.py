"""What the tests of this folder share."""

from tests.here import here as here
