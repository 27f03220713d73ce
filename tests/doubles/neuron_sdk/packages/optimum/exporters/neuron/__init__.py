"""A double of optimum-neuron."""
