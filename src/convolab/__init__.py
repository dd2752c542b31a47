"""convolab: a laboratory for convolutional neural networks."""
