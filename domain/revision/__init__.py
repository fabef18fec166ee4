"""Revision: boards computed anew from all that is true, and held against what is stored.

The statements are its own, and look at each entry for itself: what they and the fold agree on is not the mistake of
either. What differs is brought up to date by the fold's own hand. Weeks that are over are nobody's to compute anew.
"""
