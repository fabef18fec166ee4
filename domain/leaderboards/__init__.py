"""Leaderboards: what is best where, of dishes, restaurants and people, as everybody sees it change.

A *board* has a name: `dishes:{city}:{dish_type}`, `restaurants:{city}:{cuisine}`, `users:{city}` or `users:global`,
with `@2026-w47` behind it for a week's season. Its *window* is the top 100, which is what is told live. Its `version`
counts the changes of the window and of the board's size, one for each message.
"""
