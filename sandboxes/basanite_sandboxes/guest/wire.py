"""The layout that cell.c, agent.py and ../process/cell.py share. All numbers are native 64-bit integers.

The server and the agent speak over a SOCK_SEQPACKET socket, one request or reply a packet. What is large never
travels there: the server writes programs and standard inputs into the *input* memfd and names offsets; the agent
moves a run's output into three *output* memfds and names lengths. The candidate holds none of them: it has a
memfd of its own as standard input and pipes as outputs.

A program, in the input memfd, is a JSON object on one line (the head), the source, and the files to place in the
working directory, back to back:

    {"form": "main", "arguments": [..], "source": N, "files": [[name, N], ..]}     Python, as a main program
    {"form": "calls", "entry": "f", "source": N, "calls": N, "files": ..}          Python, calls of a function;
                                                                                   the calls follow the source
    {"form": "objects", "source": N, "files": ..}                                  Python, served to the tests
    {"form": "tests", "functions": [..], "classes": [..], "first": true, "stop": false, "source": N, "cases": [N, ..],
     "files": []}                                                                  tests of it: the prelude, the cases

A command, which tool.c reads, too, is words that end with a null byte each, and the files:

    number of arguments, arguments.., name of the output or "", number of files, name, N, name, N..

The agent's first reply says that it is up, and in its flags which of the environment's tools are warm, bit N for the
one of index N. A warm tool serves RUNs of itself on a socket of its own, with the same files as the agent: only one of
them runs something at a time.

OPEN makes a child of the agent that prepares a program once (compiles it), says OPENED and then serves RUNs of it
in the agent's place until CLOSE. The agent's own reply to OPEN comes when that child is gone.
"""

import struct

# op, flags, length of the program (which begins the input), stdin offset and length, cpu_seconds, processes,
# file_bytes, open_files, data_bytes, output_bytes, options of the tmpfs, the tree to work in and where the run sees it
REQUEST = struct.Struct("=11Q96s256s256s")
# status, error, stage, flags, cpu_us, wall_us, maxrss_kb, lengths of stdout, stderr, answers
REPLY = struct.Struct("=2q8Q")
# lengths of the two system-call filters that follow: that of the cell, and that of each run
FILTERS = struct.Struct("=2Q")
# stage, error, length of the detail that follows; in a memfd that the agent, the server and, until the candidate's
# code starts, the child hold
STAGE = struct.Struct("=3q")

RUN, OPEN, CLOSE, KILL = 1, 2, 3, 4
ANSWERS, PREPARED, CHANNEL, IMAGE = 1, 2, 4, 8
"""CHANNEL: two descriptors come with the request, to read from and to write to another run. IMAGE: the run sees nothing
but what lies in IMAGE_PLACE."""
IMAGE_PLACE, TREES_PLACE = "/image", "/snapshots"
"""Where the agent sees the root directory of an image, and the trees that runs may work in."""
LONGEST_PLACE = 255
"""Bytes of the path of a tree, and of where a run sees it."""
OVER_OUTPUT, KILLED, LEFT_FILES, OWN_CPU_LIMIT = 1, 2, 4, 8
"""LEFT_FILES: what the run left lies in the trash, see below. OWN_CPU_LIMIT: the run changed its RLIMIT_CPU, with which
it can have the kernel kill it at any moment."""

ISOLATED = 100
"""Stage: the run is isolated."""
REJECTED = 101
"""Stage: the source does not compile; the detail is JSON {"message", "line", "column"}."""
OPENED = 200
"""Stage, in the reply to OPEN: the program is compiled and waits for RUN."""
UNLIMITED = 2**64 - 1
INPUT_FD, STAGE_FD, ANSWERS_FD, CHANNEL_IN_FD, CHANNEL_OUT_FD = 3, 4, 5, 6, 7
ANSWERS_NAME = "/dev/answers"
"""The answer channel of the run that asks, for programs that write to files with names."""
STDIN, OUTPUTS, TRASH = "/dev/stdin", ("/dev/stdout", "/dev/stderr", ANSWERS_NAME), "/.trash"
"""In a cell without mounts: a file and named pipes that all runs use in turn; what runs left, to be deleted."""
NEVER = 0
"""When /tmp was changed, in nanoseconds, if no run has touched it: not being its owner, none can set such a time."""
FIRST_FREE_FD = 16
"""The agent keeps its own descriptors from here on, so that none is in the way of those."""
