"""Progression: points, badges and career levels, which are earned by what people do.

An **activity** is a kind of act that earns points; each act has one row of points, which goes when it is taken back. A
**badge** is earned once a measure of somebody's rankings reaches what the badge requires, and lost below it; a
**career level** once they have its points, rankings and badges, and those of all lower ones. What earns what is data.
All of it follows from what is stored of people: a fold brings it up to date, and a recomputation finds the same.
"""
