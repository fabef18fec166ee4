"""Boards: which leaderboards there can be, by their names, and which have something on them."""
