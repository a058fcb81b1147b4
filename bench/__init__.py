"""Every figure that the README quotes: `make bench`, or `python -m bench --help`."""
