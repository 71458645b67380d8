"""The HTTP API: keys and scopes, residents, devices, alerts, history, live stream, health and metrics."""
