"""Dishes: what restaurants serve, of a type.

Anybody who has signed in adds dishes; whoever added one or its restaurant, or a moderator, edits it, and each edit is
kept with what was before. The types are a catalogue that migrations bring: people rank dishes of one type. A dish that
somebody ranked is never deleted, only no longer available, and keeps its type.
"""
