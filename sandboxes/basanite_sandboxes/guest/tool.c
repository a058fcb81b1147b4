/* Keeps a tool warm: loaded into a program of the system with LD_PRELOAD, it takes the place of its main function, loads
 * the libraries that the program loads when it starts, and then serves runs as an agent does. A run is a clone, isolated
 * as every run is, that places its files as program.py does and goes on into the program's own main function.
 *
 * warm.py starts it, with BASANITE_TOOL: eight descriptors (server, input, /dev/null, three outputs, stage, the filter of
 * runs, and a pipe that is written to once all is ready), the program's path, and the libraries, one a line. A program
 * that says nothing there does not take part: it is statically linked, a script, or lacks a library.
 *
 * A line "call:" names a function to call now. Of a program that embeds Python three of the lines are "python:" with the
 * path of its library, "once:" with a statement to run now, and "each:" with one for the start of each run. The program
 * may initialise Python again: that keeps the modules. */
#define _GNU_SOURCE
#include "cell.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*main_function)(int, char **, char **);
typedef int (*start_function)(main_function, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

enum { NOT_PLACED = 125 };
static main_function tool_main;
static int (*python_run)(const char *);
static char *each_run;
static char filter[1 << 16];

/* Words of the program's text; see wire.py. It is the server's, and whole. */
static char *word(char **at) {
  char *found = *at;
  *at += strlen(found) + 1;
  return found;
}

static void make_directories(char *path) {
  for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    mkdir(path, 0755);
    *slash = '/';
  }
}

static void place(char *name, const char *data, size_t length) {
  make_directories(name);
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0444);
  while (fd >= 0 && length) {
    ssize_t n = write(fd, data, length);
    if (n <= 0) break;
    data += n, length -= (size_t)n;
  }
  if (fd < 0 || length) {
    dprintf(2, "%s: %s\n", name, strerror(errno));
    _exit(NOT_PLACED);
  }
  close(fd);
}

static int run(size_t length, char **environment) {
  char *text = malloc(length + 1), *at = text;
  struct stat in;
  for (size_t got = 0; got < length;) {
    ssize_t n = text ? pread(INPUT_FD, text + got, length - got, (off_t)got) : -1;
    if (n <= 0) _exit(NOT_PLACED);
    got += (size_t)n;
  }
  text[length] = 0;
  close(INPUT_FD), close(STAGE_FD);
  if (fstat(0, &in) == 0 && S_ISCHR(in.st_mode)) { /* of its own, as in program.py */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0), close(null);
  }
  int count = atoi(word(&at));
  char **arguments = calloc((size_t)count + 1, sizeof *arguments);
  for (int i = 0; i < count; i++) arguments[i] = word(&at);
  char *output = word(&at);
  word(&at); /* it works in no tree */
  int files = atoi(word(&at));
  char *heads = at;
  for (int i = 0; i < 2 * files; i++) word(&at);
  for (int i = 0; i < files; i++) {
    char *name = word(&heads);
    size_t size = strtoul(word(&heads), 0, 10);
    place(name, at, size);
    at += size;
  }
  if (*output && symlink("/dev/answers", output) < 0) _exit(NOT_PLACED);
  if (each_run && python_run(each_run)) _exit(NOT_PLACED);
  return tool_main(count, arguments, environment);
}

/* Take a variable out of the environment, and out of what /proc says of it. */
static void forget(const char *name) {
  char *value = getenv(name);
  unsetenv(name);
  if (value) memset(value - strlen(name) - 1, 0, strlen(name) + 1 + strlen(value));
}

/* Do what one line says; 0 if that cannot be. */
static int load(const char *line) {
  if (*line == '/') return dlopen(line, RTLD_LAZY) != 0;
  if (!strncmp(line, "call:", 5)) {
    void (*function)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, line + 5);
    return function ? (function(), 1) : 0;
  }
  if (!strncmp(line, "once:", 5)) return python_run && python_run(line + 5) == 0;
  if (!strncmp(line, "each:", 5)) return (each_run = strdup(line + 5)) != 0;
  if (strncmp(line, "python:", 7)) return 0;
  void *library = dlopen(line + 7, RTLD_LAZY | RTLD_GLOBAL); /* modules look for its symbols everywhere */
  if (!library) return 0;
  void (*start)(int) = (void (*)(int))dlsym(library, "Py_InitializeEx");
  python_run = (int (*)(const char *))dlsym(library, "PyRun_SimpleString");
  if (!start || !python_run) return 0;
  start(0);
  return 1;
}

static int serve(int argc, char **argv, char **environment) {
  struct context c = {0};
  char path[4096] = "", *line, *rest;
  char *how = strdup(getenv("BASANITE_TOOL"));
  int fds[9];
  (void)argc, (void)argv;
  forget("BASANITE_TOOL"), forget("LD_PRELOAD"), forget("LD_BIND_NOW");
  line = strtok_r(how, "\n", &rest);
  for (int i = 0; i < 9; i++) fds[i] = (int)strtol(line, &line, 10);
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0 || strcmp(path, strtok_r(0, "\n", &rest))) return 1;
  while ((line = strtok_r(0, "\n", &rest)))
    if (!load(line)) return 1;
  c.sock = fds[0], c.input = fds[1], c.null = fds[2], c.stage = fds[6];
  for (int i = 0; i < 3; i++) c.output[i] = fds[3 + i];
  ssize_t size = pread(fds[7], filter, sizeof filter, 0);
  if (size <= 0) return 1;
  c.filter = filter, c.filter_length = (uint64_t)size / sizeof(struct sock_filter);
  if (write(fds[8], "", 1) != 1) return 1;
  close(fds[7]), close(fds[8]), free(how);
  long role = cell_serve(&c);
  if ((role & 3) != CHILD_RUN) _exit(0);
  return run((size_t)role >> 2, environment);
}

/* The C library's start of every program comes here first. */
int __libc_start_main(main_function main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end) {
  start_function start = (start_function)dlsym(RTLD_NEXT, "__libc_start_main");
  tool_main = main;
  return start(getenv("BASANITE_TOOL") ? serve : main, argc, argv, init, fini, rtld_fini, stack_end);
}
