"""Counters: how many likes, comments, shares, posts; folded from the event log by one writer.

Nobody else writes them, so they never go backwards, and a hot post has no hot row: likes are inserts, and the
count is written once per fold. `post.counters` and `user.counters` are absolute.
"""
