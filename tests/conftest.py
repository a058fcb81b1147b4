"""Decides about gRPC's fork handlers before any test loads gRPC.

This process starts cells, which are children that only exec. The handlers would start threads in them, which now and
then abort the child. A server process says the same (services/basanite_services/before_grpc.py). The programs that
tests start are not to inherit it: some of them fork and go on using gRPC.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

import grpc

grpc.insecure_channel("localhost:1").close()  # the core reads its environment when it is first used
del os.environ["GRPC_ENABLE_FORK_SUPPORT"]
