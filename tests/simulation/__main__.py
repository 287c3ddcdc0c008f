"""What `make simulate` runs. The work is in a module that its processes can import."""

from tests.simulation.many import main

if __name__ == "__main__":
    main()
