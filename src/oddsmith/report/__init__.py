"""The evidence, drawn."""
