"""The reference receiver: a small 助急 centre that could really be run, on the stand-in service's side of the wire."""
