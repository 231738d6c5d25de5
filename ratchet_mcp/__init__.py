"""Ratchet: run JavaScript tasks safely, for LLM clients that speak the Model Context Protocol."""

__version__ = "0.1.0"
