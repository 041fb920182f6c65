"""Speed and memory, each against a baseline measured beside it: `make bench`."""
