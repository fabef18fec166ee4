"""Activity: what somebody has ranked, reviewed and commented lately, in one list.

Nothing of its own is stored: the three are read where they lie, the newest of each, and only what the viewer may see.
"""
