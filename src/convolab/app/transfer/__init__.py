"""The room Transfer: a photo painted in the style of other pictures, watched and steered."""
