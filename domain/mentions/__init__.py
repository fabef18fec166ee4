"""Mentions: whom a post or a comment names with an `@`.

`@username` in a content **mentions** that user when it is written, if there is one: not oneself, and nobody with whom
there is a block, either way. Any other name stays text. Mentions are rows, made anew with the content and gone with the
post, the comment or the user; an edit tells what it changed, so nobody is told twice. They are listed by username,
readers find those whom they may see, and news lists them as the author sees them, the same for everybody.
"""
