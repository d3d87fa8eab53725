"""DECIDES when each task is asked about and which wait ends: pure, no clock, no sockets, no chance."""
