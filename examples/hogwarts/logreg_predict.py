"""python logreg_predict.py dataset_test.csv weights.json: the house of each student, to houses.csv."""

import sys

from oddsmith.cli import main

if len(sys.argv) != 3:
    sys.exit("usage: python logreg_predict.py dataset_test.csv weights.json")
data, weights = sys.argv[1:]
main(["predict", weights, data, "-o", "houses.csv"])
