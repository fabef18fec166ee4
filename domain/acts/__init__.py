"""Acts: what somebody does that is news to somebody else, and to whom.

Folded from the log: a like is news to the post's author, a reply to whom it answers, a follow to the followed. What is
taken back, or hidden by a block or a mute, is told as undone. What becomes of it is for `notifications`.
"""
