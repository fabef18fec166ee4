"""Posts: what people say, show and share.

An author writes posts; `visibility` says who may see one. Whoever may see a post may like it, comment on it and
listen to it: `visible_post` is the one definition, for HTTP and for sockets. Counts are folded by `counters`.
"""
