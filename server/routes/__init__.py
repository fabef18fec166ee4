"""One module per feature: HTTP in, one call, HTTP out."""
