"""The Build room: data, network, settings, training."""
