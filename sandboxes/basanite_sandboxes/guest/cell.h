/* What cell.c and tool.c share; the numbers are those of wire.py. */
#include <stdint.h>

enum { CHILD_RUN = 1, CHILD_OPEN = 2, SERVE_END = 0 }; /* what cell_serve returns */
enum { INPUT_FD = 3, STAGE_FD, ANSWERS_FD, CHANNEL_IN_FD, CHANNEL_OUT_FD, FIRST_FREE_FD = 16 }; /* in the child */

struct context {
  int64_t sock, input, null, output[3]; /* output: memfds that outlive the runs; the candidate never holds them */
  uint64_t filter_length;
  void *filter;
  int64_t stage; /* a memfd of three numbers, see wire.py */
};

long cell_serve(struct context *c);
