"""Trending: the dishes of a city that people act on now, of all types and of each.

An *act* is something that somebody did about a dish: a ranking, a review, a comment on one, a like of one. It weighs as
`rules` say, and half of that each half-life later. What a person does of a *kind* on a day (UTC) counts once, at its
first time and its greatest weight; taking it back takes the act back. Acts are kept for a window, and a dish is listed
as long as enough different people have acts in it. A *scope* is a list: `dishes:{city}` or `dishes:{city}:{dish_type}`.

Folded from the log by one writer. Nothing is written while time passes: a score is stored as the time when it will have
fallen to 1 (forward decay, after Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009), which orders as scores do.
"""
