"""A POST that is sent twice with one Idempotency-Key happens once, and is answered twice.

The key's row, the changes and the answer are written in one transaction, so that there is never one without the
others. Of two at once the second waits for the first. Keys count for 24 hours.
"""
