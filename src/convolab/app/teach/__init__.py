"""The room Teach: your own classes from a handful of examples."""
