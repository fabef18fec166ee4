"""HTTP in, domain calls, HTTP out; and how the program is started. No rules, no SQL."""
