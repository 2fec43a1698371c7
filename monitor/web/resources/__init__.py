"""One module for each thing that the API shows: its answers, its handlers and its routes."""
