"""Telling connected clients: from the event log through Redis streams to open sockets."""
