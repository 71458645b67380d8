"""The embedded MQTT broker: nats-server as a supervised child."""
