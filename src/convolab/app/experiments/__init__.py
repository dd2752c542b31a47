"""The room Experiments: all runs in one table, compared, varied, repeated, searched; and the challenge."""
