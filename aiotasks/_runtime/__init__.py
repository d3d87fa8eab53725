"""DOES what the core decided: clocks, sockets and asyncio tasks live here and nowhere else."""
