"""What the Bluetooth families share: advertisements and what is in them, buttons, rooms, numbers of health devices.

No family by itself: the gateways that carry it are `minew`, `openmqttgateway`, `bthome`, `espresense`, `ble_gatt`.
"""
