"""Several requests made as one: checked together, run in their order, with each other's outputs."""
