"""``python -m trunkline`` is the `trunkline` command."""

from trunkline.bootstrap.main import main

if __name__ == "__main__":
    main()
