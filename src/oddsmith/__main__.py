"""python -m oddsmith: the command line."""

from oddsmith.cli import program

if __name__ == "__main__":
    program()
