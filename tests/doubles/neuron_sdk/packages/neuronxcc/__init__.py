"""A double of neuronx-cc's package."""

import neuron_double

__version__ = neuron_double.settings()["compiler"] + neuron_double.settings()["build"]
