"""The time series on disk: readings, events, the waveform around an alert, and their forwarding to InfluxDB."""
