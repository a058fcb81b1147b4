"""Every figure that the README quotes: `make bench`, or `python -m bench --help`."""

import os

# gRPC's fork handlers would write a line for each bare process that is started beside it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
