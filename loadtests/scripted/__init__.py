"""`./run loadtest`: sessions that read like stories, played by many, each frame accounted for."""
