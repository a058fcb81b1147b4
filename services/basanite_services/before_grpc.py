"""Imported first by what starts a server process, before anything imports gRPC, and by nothing else.

gRPC's fork handlers are for children that go on using gRPC; a server's only exec. They would write a line to standard
error for each cell. Only a process of our own may say so: a client that forks, or inherits this, would hang.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
