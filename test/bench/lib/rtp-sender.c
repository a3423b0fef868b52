/*
 * Sends RTP for the benchmarks, as cheaply as it can be done with one socket for each media stream.
 *
 *   rtp-sender PACKET_LENGTH PACKETS LOCAL_PORT FILE_A FILE_B < ports
 *
 * FILE_A and FILE_B hold PACKETS packets of PACKET_LENGTH octets each, one after the other. Every line of the standard input is the port of one
 * media stream on 127.0.0.1: the first is sent FILE_A, the second FILE_B, the third FILE_A again. Stream n is sent from port LOCAL_PORT + 2 n.
 * A packet leaves every 20 ms for each stream, and the streams are spread over these 20 ms. Prints at its end how many packets have
 * left, by how many microseconds the latest of them was late, and when the first left (Unix milliseconds).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 8192
/* Turns in which the streams are served, one after the other. */
#define SLOTS 20
#define TICK_NS 20000000LL

static int sockets[STREAMS_MAX];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static const uint8_t *map(const char *path, size_t length) {
  struct stat status;
  int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &status) < 0) die(path);
  if ((size_t)status.st_size < length) {
    fprintf(stderr, "%s is shorter than the packets it should hold\n", path);
    exit(1);
  }
  const uint8_t *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) die(path);
  close(file);
  return bytes;
}

static int open_stream(int local_port, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  address.sin_port = htons((uint16_t)local_port);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  address.sin_port = htons((uint16_t)port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  return fd;
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: rtp-sender PACKET_LENGTH PACKETS LOCAL_PORT FILE_A FILE_B < ports\n");
    return 2;
  }
  size_t length = strtoul(arguments[1], NULL, 10);
  long packets = strtol(arguments[2], NULL, 10);
  int local_port = atoi(arguments[3]);
  if (length == 0 || length > 1500 || packets <= 0) return 2;
  const uint8_t *files[2] = {map(arguments[4], length * packets), map(arguments[5], length * packets)};
  int streams = 0;
  int port;
  while (streams < STREAMS_MAX && scanf("%d", &port) == 1) {
    sockets[streams] = open_stream(local_port + 2 * streams, port);
    streams++;
  }
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t start = now.tv_sec * 1000000000LL + now.tv_nsec;
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  long long sent = 0, latest = 0;
  for (long packet = 0; packet < packets; packet++) {
    for (int slot = 0; slot < SLOTS; slot++) {
      int64_t due = start + packet * TICK_NS + slot * (TICK_NS / SLOTS);
      struct timespec until = {.tv_sec = due / 1000000000LL, .tv_nsec = due % 1000000000LL};
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
      }
      clock_gettime(CLOCK_MONOTONIC, &now);
      int64_t late = now.tv_sec * 1000000000LL + now.tv_nsec - due;
      if (late > latest) latest = late;
      /* Both streams of a session stay together, as an SBC sends them. */
      for (int stream = 0; stream < streams; stream++) {
        if ((stream / 2) % SLOTS != slot) continue;
        /* A refusal of an earlier packet (ICMP) is reported here once and means nothing for this one. */
        ssize_t result = send(sockets[stream], files[stream & 1] + length * packet, length, 0);
        if (result < 0) result = send(sockets[stream], files[stream & 1] + length * packet, length, 0);
        if (result == (ssize_t)length) sent++;
      }
    }
  }
  long long from = wall.tv_sec * 1000LL + wall.tv_nsec / 1000000;
  printf("{\"sent\":%lld,\"lateUs\":%lld,\"fromUnixMs\":%lld}\n", sent, latest / 1000, from);
  return 0;
}
