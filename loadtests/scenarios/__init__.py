"""Scenarios that are ready to play: `./run loadtest NAME`. What they are written in is in `loadtests/scripted`."""
