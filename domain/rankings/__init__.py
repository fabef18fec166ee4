"""Rankings: the best dishes of a type at a restaurant, as somebody sees them.

Each person ranks up to five dishes of a type at a restaurant, from 1 on and without holes: that is a *scope*. Taking a
rank moves the others down; who is sixth then falls out, and keeps notes and photo without a rank. Or a dish gets a
*taste*, and no rank. Every dish that a change moves has a row in the history. What somebody does, on whatever devices,
is done one after the other: they hold their own row. Who may see the rankings of whom: `visible_rankers`.
"""
