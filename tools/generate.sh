#!/bin/sh
# Generate client/basanite/v1 from proto/ into the directory $1 (default: in place), with the pinned tools of
# the `dev` extra. The result is committed; tests/contract/test_generated.py fails when it is out of date.
set -eu
cd "$(dirname "$0")/.."
out=${1:-client}
python=${PYTHON:-python}
"$python" -m grpc_tools.protoc -I proto --python_out="$out" --grpc_python_out="$out" \
  --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" proto/basanite/v1/*.proto
# These files have no service: what the gRPC plug-in wrote for them is empty.
rm -f "$out"/basanite/v1/result_pb2_grpc.py* "$out"/basanite/v1/tasks_pb2_grpc.py*
