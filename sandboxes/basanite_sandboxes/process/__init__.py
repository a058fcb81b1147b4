"""The `process` runtime: Linux namespaces by bubblewrap, a warm interpreter in each cell, no daemon.

Theory of operation. A *cell* is one bubblewrap sandbox with namespaces and a read-only root of its own, in which
a trusted *agent* (../guest/agent.py) keeps a Python interpreter warm. For each run the agent clones a child into
pid and mount namespaces that are new again, gives it an empty tmpfs, takes its capabilities and descriptors away,
installs the system-call filter, and lets it become the candidate. When the candidate (pid 1 of its namespace) is
gone, the kernel has ended everything that it started. The candidate cannot name the agent, and nothing it says
decides anything: exit status, CPU time, memory and output are read outside. Where there are no namespaces to be had,
reduced/ makes cells in another way.

A *warm tool* (../guest/tool.c) is a program of the system that was started up to its main function and then serves runs
of itself, as the agent serves those of Python, with the same isolation.

    pool.py        which cells there are, who has one         bubblewrap.py  how a cell's processes start and end
    slots.py       how many run at one time, who is next      rootfs.py      what a candidate sees
    lent.py        a lent sandbox: its cells, second runs     seccomp.py     the system-call filter
    cell.py        one cell: asked to run programs            python.py      which interpreter
    files.py       what passes through memory files           native.py      compiles ../guest/*.c once
    channel.py     two pipes that join two runs               cgroup.py      memory and CPU by the kernel, v2 or v1
    watch.py       which limits a run is over                 procfs.py      the same by /proc, where there is none
    processes.py   the processes of a cell, however made      profile.py     how strong isolation is: here, full
    reduced/       cells without namespaces                   remedy.py      what a machine lacks, what would help
    account.py     from counts to the report on a run         program.py     a program as the agent reads it
    replies.py     what the agent says, checked
"""

from basanite_sandboxes.process.pool import ProcessPool

__all__ = ["ProcessPool"]
