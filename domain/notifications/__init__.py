"""Notifications: what others did that concerns a user, grouped so that a hundred likes are one line.

An **act** (a like, a comment, a follow …) becomes a row of its recipient's **inbox**: a **single**, or a **child** of a
**batch** when others did the same within its window. Only singles and batches are listed and can be unread; the one of
a key that further acts may join is *open*. An act that is taken back takes its row along. Groups are folded from the
log; whoever writes to an inbox, a fold or its owner, locks its row first, which also holds the unread count.
"""
