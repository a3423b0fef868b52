/*
 * Drives the mapping of kernel time stamps to the monotonic clock with clocks of its own: prints one line for each check that fails, and
 * exits with 1 when there was one. Built with AddressSanitizer and UBSan by test/integration/native-clock.test.ts.
 */
#define _GNU_SOURCE
#include <time.h>

static double monotonic_us = 1000000.0;
static double wall_us = 1700000000000000.0;

static int read_clock(clockid_t clock, struct timespec *at) {
  double us = clock == CLOCK_REALTIME ? wall_us : monotonic_us;
  at->tv_sec = (time_t)(us / 1e6);
  at->tv_nsec = (long)((us - (double)at->tv_sec * 1e6) * 1e3);
  return 0;
}
#define clock_gettime read_clock
#include "../../../src/native/batch-receive.c"
#include <stdio.h>

static int failures = 0;

static void check(const char *what, double found_us, double expected_us, double tolerance_us) {
  double error_us = found_us - expected_us;
  if (error_us <= tolerance_us && error_us >= -tolerance_us) return;
  printf("%s: %.0f us off\n", what, error_us);
  failures++;
}

static void pass(double us) {
  monotonic_us += us;
  wall_us += us;
}

int main(void) {
  Receiver receiver = {0};
  Socket socket = {.fd = 0, .empty_us = monotonic_us};
  measure_offset(&receiver);

  pass(100000);
  measure_offset(&receiver);
  check("undisturbed", arrival_of(&receiver, &socket, wall_us - 30000, monotonic_us), monotonic_us - 30000, 1);
  socket.empty_us = monotonic_us;

  const double steps_us[] = {3600e6, -3600e6, 10e6, -10e6, 150e3, -150e3};
  for (size_t at = 0; at < sizeof steps_us / sizeof *steps_us; at++) {
    pass(40000);
    double stamped_before_us = wall_us;
    double arrived_before_us = monotonic_us;
    wall_us += steps_us[at];
    pass(40000);
    double stamped_after_us = wall_us;
    double arrived_after_us = monotonic_us;
    pass(20000);
    measure_offset(&receiver);
    check("before a step", arrival_of(&receiver, &socket, stamped_before_us, monotonic_us), arrived_before_us, 1);
    check("after a step", arrival_of(&receiver, &socket, stamped_after_us, monotonic_us), arrived_after_us, 1);
    socket.empty_us = monotonic_us;
    socket.arrival_us = arrived_after_us;
    pass(100000);
    measure_offset(&receiver);
    check("the time after", arrival_of(&receiver, &socket, wall_us - 5000, monotonic_us), monotonic_us - 5000, 1);
    socket.empty_us = monotonic_us;
    socket.arrival_us = monotonic_us - 5000;
  }

  pass(100000);
  measure_offset(&receiver);
  check("a stamp of long ago", arrival_of(&receiver, &socket, wall_us - 5e6, monotonic_us), monotonic_us, 1);
  check("a stamp of the future", arrival_of(&receiver, &socket, wall_us + 5e6, monotonic_us), monotonic_us, 1);
  socket.arrival_us = monotonic_us - 1000;
  check("never backwards", arrival_of(&receiver, &socket, wall_us - 2000, monotonic_us), monotonic_us - 1000, 1);

  for (int tick = 0; tick < 1000; tick++) {
    /* slewed at 500 ppm, the most that is done (adjtimex(2)) */
    monotonic_us += 100000;
    wall_us += 100050;
    measure_offset(&receiver);
    socket.empty_us = monotonic_us - 100000;
    socket.arrival_us = 0;
    check("slewed", arrival_of(&receiver, &socket, wall_us - 50000, monotonic_us), monotonic_us - 50000, 100);
  }
  return failures == 0 ? 0 : 1;
}
