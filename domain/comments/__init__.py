"""Comments: what people say to each other about a post or a review.

A comment has a **target** (domain/targets.py) and perhaps a **parent** on the same target, and is then a reply. Replies
have none. Whoever may see the target may comment and read, but two people with a block between them, either way, do
not see each other's, nor the replies below: `visible_comments` is the one definition, and the news of a comment names
everybody whom it asks for. A deleted comment takes its replies along.
"""
