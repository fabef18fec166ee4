"""Reckoning: what people have earned, computed anew from all that they did, and held against what is stored.

The statements are its own, and ask each person and each badge one by one: what they and the fold agree on is not the
mistake of either. What differs is brought up to date by the fold's own hand.
"""
