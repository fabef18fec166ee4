"""How people prove who they are: credentials, sessions, tokens.

Signing in with the **credentials** (e-mail or username, and password) opens a **session**: one device, until it signs
out. A session holds a family of **refresh tokens**, each good for one use, and its short-lived **access tokens** name
it (accounts/rules.py). Nothing secret is stored: of passwords Argon2id, of refresh tokens SHA-256.

A refresh token that is used again within seconds gets the same answer, for the first may have been lost: its
successor is computed from it, with our key. Used again later it is in two hands, so the session ends. When the end of
a session is committed no more tokens are made for it, and those it has are refused (server/auth.py).
"""
