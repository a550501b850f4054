"""python -m oddsmith: the command line."""

from oddsmith.cli import main

if __name__ == "__main__":
    main()
