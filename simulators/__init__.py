"""Plays devices, recordings and the 助急 service on real transports. Meets the gateway only on the wire."""
