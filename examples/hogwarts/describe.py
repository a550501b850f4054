"""python describe.py dataset_train.csv: every numeric column, described as pandas does."""

import sys

from oddsmith.cli import main

main(["describe", "--like-pandas", *sys.argv[1:]])
