"""Reviews: what people say of a dish, with stars or without, and with photos.

Each person reviews a dish once and may edit it; the dish's restaurant is the review's too. Whoever may see what the
author ranks may see the review, like it and comment on it, and listen to it: `visible_reviews` is the one definition.
While the account is public, the dish and the restaurant tell of it as well. Counts are folded by `counters`.
"""
