"""What the tests of the documents share."""

from tests.here import here as here
