"""Standings: what dishes, restaurants and people have to stand on boards with, summed from what is true.

A rank is worth 5 points for the first to 1 for the fifth, times the weight of its ranker's career level. A dish has the
sum of its ranks, a restaurant that of its dishes, people have their points. Of a week counts what was ranked or earned
in it: each ranking as the week left it. A taste is no rank, and who fell out of the five has none.
"""
