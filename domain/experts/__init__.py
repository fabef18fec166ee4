"""Experts: whose word counts in a city.

An **expert** of a city has ranked or reviewed dishes there, is public, and stands in the order of their **influence**,
which is the same everywhere: of followers, rankings, reviews, and people who like what they post and review, each by
its logarithm. Somebody counts once, however much they like, and not at all while there is a block between the two.
Folded from the log: whoever is named by an event is reckoned anew from what there is.
"""
