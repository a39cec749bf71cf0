"""The MQTT face of the bridge."""
