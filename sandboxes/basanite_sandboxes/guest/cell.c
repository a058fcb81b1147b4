/* The serve loop of agents and warm tools, and the isolation of one run. Optional: fallback.py holds the same in Python,
 * which costs more CPU a run. Both speak the protocol of wire.py; keep them in step.
 *
 * Compiled once by ../process/native.py together with tool.c; loaded by agent.py, and into tools, inside the cell. Linux,
 * any architecture. */
#define _GNU_SOURCE
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUN = 1, OPEN = 2, CLOSE = 3, KILL = 4 };           /* request.op */
enum { ANSWERS = 1, PREPARED = 2, CHANNEL = 4, IMAGE = 8 }; /* request.flags */
enum { OVER_OUTPUT = 1, KILLED = 2, OWN_CPU_LIMIT = 8 };   /* reply.flags */
enum { ISOLATED = 100 };                                   /* stage */
#define IMAGE_PLACE "/image"     /* as in wire.py */
#define TREES_PLACE "/snapshots" /* as in wire.py */
enum { QUIET_MS = 5 };                                     /* short runs end before their output is looked at */

struct request {
  uint64_t op, flags, program_length, stdin_offset, stdin_length; /* the program begins the input */
  uint64_t cpu_seconds, processes, file_bytes, open_files, data_bytes, output_bytes;
  char tmpfs[96], tree[256], place[256]; /* tree: a directory, and where the run sees it with its own changes; or empty */
};

struct reply {
  int64_t status, error;
  uint64_t stage, flags, cpu_us, wall_us, maxrss_kb, length[3]; /* stdout, stderr, answers */
};

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void tell(int fd, int64_t stage, int64_t error) {
  int64_t words[3] = {stage, error, 0};
  if (pwrite(fd, words, sizeof words, 0) < 0) _exit(125);
}

/* Put /tmp, /proc and the tree in their places, leave what is around the image, and go to where the run begins. The
 * stages are those of isolate: -> the one that failed, or 0. */
static int64_t place(const struct request *q) {
  const int image = !!(q->flags & IMAGE);
  const char *tmp = image ? IMAGE_PLACE "/tmp" : "/tmp", *proc = image ? IMAGE_PLACE "/proc" : "/proc";
  /* A mount of our own: into one that the cell came with, nobody may move his root. */
  if (image && mount(IMAGE_PLACE, IMAGE_PLACE, 0, MS_BIND | MS_REC, 0) < 0) return 36;
  if (mount("tmpfs", tmp, "tmpfs", MS_NOSUID | MS_NODEV, q->tmpfs) < 0) return 2;
  /* Read-only: who writes to oom_score_adj sends the kernel after the agent, to autogroup looks starved. */
  if (mount("proc", proc, "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") < 0) return 3;
  if (*q->tree) { /* changes count as files in /tmp do, and lie where nothing can name them */
    char options[sizeof q->tree + 200], part[3][sizeof IMAGE_PLACE + 10];
    for (int i = 0; i < 3; i++) {
      snprintf(part[i], sizeof part[i], "%s/%c", tmp, "uwt"[i]);
      if (mkdir(part[i], 0755) < 0) return 30;
    }
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,userxattr", q->tree, part[0], part[1]);
    if (mount("overlay", q->place, "overlay", MS_NOSUID | MS_NODEV, options) < 0) return 31;
    if (mount(part[2], tmp, 0, MS_BIND, 0) < 0) return 32;
    if (!image && mount("tmpfs", TREES_PLACE, "tmpfs", MS_RDONLY, "size=4k,mode=555") < 0) return 33;
  }
  if (image) {
    if (chdir(IMAGE_PLACE) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) return 34;
    if (umount2(".", MNT_DETACH) < 0) return 35;
  }
  const char *start = *q->tree ? q->place + (image ? sizeof IMAGE_PLACE - 1 : 0) : "/tmp";
  return chdir(start) < 0 ? 4 : 0;
}

/* In the clone: finish the isolation. Stage 100 says that all of it is in force. */
static int isolate(struct context *c, const struct request *q, int out, int err, int ans, const int *channel) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0}};
  struct sock_fprog filter = {(unsigned short)c->filter_length, c->filter};
  const struct { int what; uint64_t value; } limits[] = {
      {RLIMIT_CPU, q->cpu_seconds},   {RLIMIT_NPROC, q->processes},  {RLIMIT_FSIZE, q->file_bytes},
      {RLIMIT_NOFILE, q->open_files}, {RLIMIT_DATA, q->data_bytes},
  };
  int in = (int)c->null, last = ans >= 0 ? ANSWERS_FD : STAGE_FD;
  int64_t stage;
#define STEP(n, call) do { stage = n; if ((call) < 0) goto failed; } while (0)
  STEP(1, setsid()); /* process groups cross pid namespaces: kill(0) would reach the agent */
  if ((stage = place(q))) goto failed;
  if (q->stdin_length) {
    loff_t from = (loff_t)q->stdin_offset;
    uint64_t left = q->stdin_length;
    STEP(5, in = memfd_create("stdin", 0));
    while (left) {
      ssize_t n;
      STEP(6, n = sendfile(in, (int)c->input, &from, left));
      if (n == 0) { errno = EIO; goto failed; }
      left -= (uint64_t)n;
    }
    STEP(7, lseek(in, 0, SEEK_SET));
  }
  STEP(8, dup2(in, 0));
  STEP(9, dup2(out, 1));
  STEP(10, dup2(err, 2));
  /* The agent keeps its own descriptors above these, so none is a source and a target; out and err were sources. */
  if (q->flags & CHANNEL) {
    int reader, writer;
    STEP(18, reader = fcntl(channel[0], F_DUPFD, FIRST_FREE_FD));
    STEP(19, writer = fcntl(channel[1], F_DUPFD, FIRST_FREE_FD));
    STEP(20, dup2(reader, CHANNEL_IN_FD));
    STEP(21, dup2(writer, CHANNEL_OUT_FD));
    if (ans < 0) close(ANSWERS_FD);
    last = CHANNEL_OUT_FD;
  }
  STEP(11, dup2((int)c->input, INPUT_FD));
  STEP(12, dup2((int)c->stage, STAGE_FD));
  if (ans >= 0) STEP(13, dup2(ans, ANSWERS_FD));
  STEP(14, syscall(SYS_close_range, last + 1, ~0u, 0));
  for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct rlimit r = {limits[i].value, limits[i].value}; /* hard = soft: pid 1 ignores SIGXCPU, not SIGKILL */
    STEP(15, setrlimit(limits[i].what, &r));
  }
  STEP(16, syscall(SYS_capset, &head, none));
  STEP(17, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
#undef STEP
  tell(STAGE_FD, ISOLATED, 0);
  if (q->flags & PREPARED) close(INPUT_FD), close(STAGE_FD);
  return 0;
failed:;
  int error = errno;
  tell((int)c->stage, stage, error);
  return -1;
}

/* Move what is in the pipe to the memfd without reading it: what the agent reads, the next candidate inherits.
 * Returns 1 once the cap is passed. */
static int drain(int from, int to, uint64_t *length, uint64_t cap) {
  for (;;) {
    loff_t at = (loff_t)*length;
    if (*length > cap) return 1;
    ssize_t n = splice(from, 0, to, &at, 1 << 20, SPLICE_F_NONBLOCK);
    if (n <= 0) return 0;
    *length += (uint64_t)n;
  }
}

static void supervise(struct context *c, const struct request *q, int pidfd, int (*pipes)[2], int n, struct reply *r) {
  struct pollfd p[5] = {{pidfd, POLLIN, 0}, {(int)c->sock, POLLIN, 0}};
  int watched = 2, timeout = QUIET_MS;
  for (int i = 0; i < n; i++) p[2 + i] = (struct pollfd){pipes[i][0], POLLIN, 0};
  for (;;) {
    int ready = poll(p, (nfds_t)watched, timeout);
    if (ready == 0) { watched = 2 + n; timeout = -1; continue; } /* a longer run: keep its pipes from filling */
    if (p[1].revents) { /* KILL, or the server is gone */
      struct request k;
      if (recv((int)c->sock, &k, sizeof k, 0) <= 0) _exit(0);
      if (k.op == KILL) { r->flags |= KILLED; syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0); }
    }
    if (watched > 2)
      for (int i = 0; i < n; i++) {
        if (p[2 + i].revents && drain(pipes[i][0], (int)c->output[i], &r->length[i], q->output_bytes)) {
          r->flags |= OVER_OUTPUT;
          syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
          p[2 + i].fd = -1;
        }
        if (p[2 + i].revents & POLLHUP) p[2 + i].fd = -1; /* closed early: poll would return at once, always */
      }
    if (p[0].revents) return;
  }
}

/* The next request, with the descriptors that came along: -1 where none did. */
static ssize_t receive(int sock, struct request *q, int *channel) {
  union { char room[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control;
  struct iovec part = {q, sizeof *q};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  channel[0] = channel[1] = -1;
  ssize_t got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *head = got < 0 ? 0 : CMSG_FIRSTHDR(&message);
  if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(2 * sizeof(int)))
    memcpy(channel, CMSG_DATA(head), 2 * sizeof(int));
  return got;
}

static long spawn(uint64_t flags, int *pidfd) {
  struct clone_args a = {.flags = flags | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};
  return syscall(SYS_clone3, &a, sizeof a);
}

/* Serves requests until the server closes the socket (SERVE_END), or returns in a child: CHILD_RUN in one that is
 * isolated and is to run the program, CHILD_OPEN in one that is to prepare a program and call cell_serve again; both
 * with the program's length above the lowest two bits. */
long cell_serve(struct context *c) {
  struct request request, *q = &request;
  for (;;) {
    int channel[2];
    if (receive((int)c->sock, q, channel) != sizeof *q) return SERVE_END;
    if (q->op == CLOSE) return SERVE_END;
    if (q->op == KILL) continue; /* came after the run had ended */
    struct reply r = {0};
    int pipes[3][2], n = q->flags & ANSWERS ? 3 : 2, pidfd = -1;
    if (q->op == OPEN) {
      long pid = spawn(0, &pidfd);
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        return CHILD_OPEN | (long)(q->program_length << 2);
      }
      if (pid < 0) { r.error = errno; goto answer; }
      int status;
      waitpid((pid_t)pid, &status, 0);
      close(pidfd);
      r.status = status;
      goto answer;
    }
    for (int i = 0; i < n; i++)
      if (pipe2(pipes[i], O_CLOEXEC) < 0) {
        r.error = errno;
        while (i--) close(pipes[i][0]), close(pipes[i][1]);
        goto answer;
      }
    tell((int)c->stage, 0, 0);
    uint64_t start = now_us();
    long pid = spawn(CLONE_NEWPID | CLONE_NEWNS, &pidfd);
    if (pid == 0) {
      if (isolate(c, q, pipes[0][1], pipes[1][1], n == 3 ? pipes[2][1] : -1, channel) < 0) _exit(125);
      return CHILD_RUN | (long)(q->program_length << 2);
    }
    if (pid < 0) r.error = errno;
    for (int i = 0; i < n; i++) close(pipes[i][1]);
    for (int i = 0; i < 2; i++) if (channel[i] >= 0) close(channel[i]), channel[i] = -1;
    if (pid > 0) {
      struct rusage u;
      int status;
      supervise(c, q, pidfd, pipes, n, &r);
      struct rlimit cpu; /* still told of what is dead but not waited for */
      if (prlimit((pid_t)pid, RLIMIT_CPU, 0, &cpu) < 0 || cpu.rlim_max != q->cpu_seconds) r.flags |= OWN_CPU_LIMIT;
      wait4((pid_t)pid, &status, 0, &u); /* returns once every process of the namespace is gone */
      close(pidfd);
      r.status = status;
      r.wall_us = now_us() - start;
      r.cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
      r.maxrss_kb = (uint64_t)u.ru_maxrss;
      int64_t words[2] = {0, 0};
      if (pread((int)c->stage, words, sizeof words, 0) == sizeof words) r.stage = (uint64_t)words[0], r.error = words[1];
      for (int i = 0; i < n; i++)
        if (drain(pipes[i][0], (int)c->output[i], &r.length[i], q->output_bytes)) r.flags |= OVER_OUTPUT;
    }
    for (int i = 0; i < n; i++) close(pipes[i][0]);
  answer:
    for (int i = 0; i < 2; i++) if (channel[i] >= 0) close(channel[i]);
    if (send((int)c->sock, &r, sizeof r, MSG_NOSIGNAL) < 0) return SERVE_END;
  }
}
