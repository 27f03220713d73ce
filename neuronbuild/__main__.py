"""`python -m neuronbuild` is the same as the `neuronbuild` command."""

from neuronbuild.cli import main

if __name__ == "__main__":
    main()
