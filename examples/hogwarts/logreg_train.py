"""python logreg_train.py dataset_train.csv: one classifier a house, by gradient descent, to weights.json."""

import sys

from oddsmith.cli import main

columns = ["--target", "Hogwarts House", "--id", "Index", "--drop", "Best Hand"]
descent = [
    "--multi-class",
    "ovr",
    "--solver",
    "gradient-descent",
    "--learning-rate",
    "0.5",
    "--iterations",
    "1000",
]
main(["train", *sys.argv[1:], *columns, *descent, "--flat", "-o", "weights.json"])
