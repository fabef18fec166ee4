"""Other servers that do the same work, to measure beside ours: the smallest honest one of each."""
