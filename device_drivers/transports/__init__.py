"""The shared ways in: serial lines and MQTT sessions. Threads read, one hand-over per batch reaches the event loop."""
