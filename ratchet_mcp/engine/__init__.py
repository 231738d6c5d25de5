"""How JavaScript runs: pool, worker processes, protocol."""
