"""The room Look inside: every unit of every layer, while a digit is drawn."""
