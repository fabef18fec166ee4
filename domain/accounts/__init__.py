"""Who people are: users and their profiles, and the viewer, who is whoever an access token speaks for.

A **UserRef** is what every list shows of a person, a **User** is a profile as somebody sees it, **Me** is one's own.
Usernames are unique in any case. Who is not active cannot be seen. How people prove who they are: domain/sessions.
"""
