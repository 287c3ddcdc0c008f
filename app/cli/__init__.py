"""The commands of the console script `presshook`."""


def main() -> None:
    """Run the console script."""
