"""The graph: who follows, blocks and mutes whom.

A **follow** is `active`, or `pending`: then it is a **request**, which whoever is to be followed accepts or rejects.
A **block** ends what two people were to each other and hides each from the other. A **mute** is nobody else's
business. No follow stands beside a block: whoever changes what two people are to each other locks the pair first.
"""
