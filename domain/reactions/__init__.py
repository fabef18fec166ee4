"""Reactions: likes.

A like is a row (post, user); liking twice is one like. Nothing is counted here: `counters` folds the events.
"""
