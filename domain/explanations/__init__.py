"""Explanations: what the score of an entry on a board is made of, for whoever asks why it is not another."""
