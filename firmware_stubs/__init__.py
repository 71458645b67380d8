"""MicroPython programs for wearables that speak the wire protocol. Imports nothing of the gateway."""
