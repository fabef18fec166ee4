"""What benchmarks are made of: our server with a community in it, thousands of sockets, and the line of JSON."""
