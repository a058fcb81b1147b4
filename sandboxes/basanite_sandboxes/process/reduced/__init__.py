"""Cells without namespaces, for stock containers: root with Docker's default capabilities, whose system-call filter
forbids namespaces and mounts.

Theory of operation. A cell has two user ids that nobody else has, and a root directory made of hard links to files
that were copied once, all of them root's. Its *keeper* (root, outside) starts the *agent* (root, with no capability
but to change users, inside its root). For each run the agent forks a child that closes its descriptors, enters a
Landlock domain, becomes the cell's first user, which takes its last rights away, installs the system-call filter
and is the candidate. It is a user of its own: it can signal nothing but what it started. The agent is the subreaper
of all that a run starts, and ends with one kill(-1) as that user whatever is left; the second id is there so that
the run cannot signal who does it. When the agent is gone its keeper does the same. /tmp is a directory that the
agent replaces after every run that touched it; the server deletes the old ones.

    profile.py  what the cells of a pool have in common      roots.py  directories: copied, linked, emptied, swept
    contents.py which files a root has                       users.py  user ids that nobody else has
    keeper.py   the parent of an agent, run as a script      disk.py   what a run's files take
    cell.py     the processes of one cell
"""
