"""What every verifier process shares: server, queue, cache, checks, metrics. Verifiers see verifier.py."""

import os

# gRPC's fork handlers are for children that go on using gRPC; a server's only exec. They would write a line to
# standard error for each cell. gRPC reads this when it is imported, which every module here does later.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
