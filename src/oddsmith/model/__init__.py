"""The artifact: a design, its coefficients and their evidence, to and from one JSON file."""

from oddsmith.model.model import Explanation, Model, load

__all__ = ["Explanation", "Model", "load"]
