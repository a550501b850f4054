"""oddsmith beside its peers: `python -m benchmarks`. README.md says how it is made fair."""
