"""Places: restaurants, and the cities they are in.

Anybody who has signed in adds restaurants; whoever added one, or a moderator, edits it, and each edit is kept with what
was before. What is there is a fact: everybody sees it, whoever told it, and it stays when they leave. A city has a slug
for boards, made when it is first named: `paris`, and `us-paris` where another country's city has the name already.
"""
