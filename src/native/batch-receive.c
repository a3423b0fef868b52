/*
 * Receives UDP datagrams for a Node.js thread: everything that waits in many sockets by one call from JavaScript.
 *
 * Receive only. A receiver belongs to the thread that made it; its sockets are non-blocking, and closed when the receiver is collected or
 * the thread ends. Nothing of what JavaScript passes is believed: kinds, ranges and lengths are checked in every call, and
 * no function runs JavaScript between the check and the use. The contract is in README.md beside this file.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What JavaScript compiled against another version of this contract must not load. */
#ifndef ABI
#define ABI 1
#endif
#define SLOTS_MAX 4096
#define SLOT_BYTES_MIN 64
#define SLOT_BYTES_MAX 65536
#define SOCKETS_MAX 65536
/* Datagrams asked of one socket at a time. */
#define BATCH 32
/* In a row on one socket, none of which is "nothing there": then it is the next one's turn. */
#define ERRORS_MAX 8
/* Words of the index for each datagram: socket, length, flags, source port, drops, family, address (4). */
#define INDEX_WORDS 10
#define FLAG_TRUNCATED 1
/* The kernel stamps a packet a little before the socket has it. */
#define STAMP_SLACK_US 20000.0
/* A wall clock that is slewed moves by less between two calls; one that moves further was set. */
#define CLOCK_STEP_US 1000.0
/* Two clocks are read in less, unless the thread is interrupted. */
#define READING_US 20.0
#define READINGS_MAX 5

typedef struct {
  int fd; /* -1: free */
  int32_t id;
  uint32_t drops;
  double empty_us;   /* when it was last seen empty: what came after has arrived after */
  double arrival_us; /* of the last datagram handed over */
} Socket;

typedef struct {
  uint32_t slots;
  uint32_t slot_bytes;
  struct mmsghdr *headers;
  struct iovec *vectors;
  struct sockaddr_storage *sources;
  uint8_t *controls;
  Socket *sockets;
  uint32_t capacity;
  uint32_t used; /* sockets[used..] were never opened */
  uint32_t cursor;
  uint32_t left;     /* places that the sweep has not visited yet; 0: the next call begins one */
  double sweep_us;   /* when it began */
  const uint8_t *arena; /* what the vectors point into; compared, never followed */
  double offset_us;     /* monotonic minus wall clock, now */
  double former_offset_us;
  bool has_offset;
} Receiver;

/* Where one call puts datagrams. */
typedef struct {
  uint8_t *arena; /* slots * slot_bytes */
  int32_t *index;
  double *arrivals;
  uint32_t count;
} Batch;

#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)))

static const napi_type_tag RECEIVER_TAG = {0x8f1d4c5e2ab34d70, 0x9a6be0c1f72d4853};

static double clock_us(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

/* ---- sockets ---- */

static void close_socket(Socket *socket) {
  if (socket->fd >= 0) close(socket->fd);
  socket->fd = -1;
}

static Socket *find_socket(Receiver *receiver, int32_t id) {
  uint32_t at = (uint32_t)id & 0xffff;
  if (id < 0 || at >= receiver->used) return NULL;
  Socket *socket = &receiver->sockets[at];
  return socket->fd >= 0 && socket->id == id ? socket : NULL;
}

/* A place whose id was not given out before (in 2^15 turns); NULL: no memory, or too many. */
static Socket *free_place(Receiver *receiver) {
  for (uint32_t at = 0; at < receiver->used; at++) {
    if (receiver->sockets[at].fd < 0) return &receiver->sockets[at];
  }
  if (receiver->used == SOCKETS_MAX) return NULL;
  if (receiver->used == receiver->capacity) {
    uint32_t capacity = receiver->capacity == 0 ? 64 : receiver->capacity * 2;
    Socket *grown = realloc(receiver->sockets, capacity * sizeof(Socket));
    if (grown == NULL) return NULL;
    receiver->sockets = grown;
    receiver->capacity = capacity;
  }
  uint32_t at = receiver->used++;
  receiver->sockets[at] = (Socket){.fd = -1, .id = (int32_t)at};
  return &receiver->sockets[at];
}

/* Length of the address for bind, or 0. */
static socklen_t read_address(const char *text, uint16_t port, struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof *v4;
  }
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) return 0;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  return sizeof *v6;
}

/* The descriptor, or the negative error number. */
static int bind_socket(const struct sockaddr_storage *address, socklen_t length, int buffer_bytes) {
  int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int on = 1;
  /* Less than asked for is what the system's limit (net.core.rmem_max) grants: no reason to fail. */
  if (buffer_bytes > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)address, length) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/* Datagrams dropped for want of room, also after the last one that could be read. */
static uint32_t final_drops(const Socket *socket) {
  uint32_t memory[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof memory;
  bool known = getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0 &&
               length > SK_MEMINFO_DROPS * sizeof(uint32_t);
  return known ? memory[SK_MEMINFO_DROPS] : socket->drops;
}

/* ---- receiving ---- */

/*
 * Measured anew in every call: the wall clock, in which the kernel stamps, may be set at any time. The thread may be interrupted between
 * the readings, so the tightest of a few counts.
 */
static void measure_offset(Receiver *receiver) {
  double offset_us = 0;
  double least_us = 0;
  for (int reading = 0; reading < READINGS_MAX; reading++) {
    double before_us = clock_us(CLOCK_MONOTONIC);
    double wall_us = clock_us(CLOCK_REALTIME);
    double after_us = clock_us(CLOCK_MONOTONIC);
    if (reading == 0 || after_us - before_us < least_us) {
      least_us = after_us - before_us;
      offset_us = (before_us + after_us) / 2 - wall_us;
    }
    if (least_us < READING_US) break;
  }
  double moved_us = offset_us - receiver->offset_us;
  if (!receiver->has_offset) receiver->former_offset_us = offset_us;
  else if (moved_us > CLOCK_STEP_US || moved_us < -CLOCK_STEP_US) receiver->former_offset_us = receiver->offset_us;
  receiver->offset_us = offset_us;
  receiver->has_offset = true;
}

/*
 * When a packet stamped `wall_us` came, on the monotonic clock. It came after its socket was last empty and before now; a stamp that says
 * otherwise was made before the wall clock was set, and is read by the clock as it was.
 */
static double arrival_of(const Receiver *receiver, const Socket *socket, double wall_us, double now_us) {
  double earliest_us = socket->empty_us - STAMP_SLACK_US;
  double at_us = wall_us + receiver->offset_us;
  if (at_us < earliest_us || at_us > now_us) at_us = wall_us + receiver->former_offset_us;
  if (at_us < earliest_us || at_us > now_us) at_us = now_us;
  return at_us < socket->arrival_us ? socket->arrival_us : at_us;
}

static void read_controls(struct msghdr *message, Socket *socket, double *wall_us) {
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET) continue;
    if (control->cmsg_type == SCM_TIMESTAMPNS && control->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
      struct timespec stamp;
      memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
      *wall_us = (double)stamp.tv_sec * 1e6 + (double)stamp.tv_nsec / 1e3;
    } else if (control->cmsg_type == SO_RXQ_OVFL && control->cmsg_len >= CMSG_LEN(sizeof(uint32_t))) {
      memcpy(&socket->drops, CMSG_DATA(control), sizeof socket->drops);
    }
  }
}

static void note_datagram(Receiver *receiver, Batch *batch, Socket *socket, double now_us) {
  uint32_t slot = batch->count++;
  struct mmsghdr *header = &receiver->headers[slot];
  int32_t *words = batch->index + (size_t)slot * INDEX_WORDS;
  double wall_us = now_us - receiver->offset_us;
  read_controls(&header->msg_hdr, socket, &wall_us);
  socket->arrival_us = arrival_of(receiver, socket, wall_us, now_us);
  batch->arrivals[slot] = socket->arrival_us;
  words[0] = socket->id;
  words[1] = (int32_t)header->msg_len;
  words[2] = (header->msg_hdr.msg_flags & MSG_TRUNC) != 0 ? FLAG_TRUNCATED : 0;
  words[4] = (int32_t)socket->drops;
  const struct sockaddr_storage *source = &receiver->sources[slot];
  if (source->ss_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)source;
    words[3] = ntohs(v6->sin6_port);
    words[5] = 6;
    memcpy(&words[6], &v6->sin6_addr, 16);
  } else {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)source;
    words[3] = ntohs(v4->sin_port);
    words[5] = 4;
    memcpy(&words[6], &v4->sin_addr, 4);
  }
  header->msg_hdr.msg_namelen = sizeof(struct sockaddr_storage);
  header->msg_hdr.msg_controllen = CONTROL_BYTES;
}

/*
 * Takes what waits in one socket. True when nothing is left that had come before the sweep began: what comes while it lasts waits for the
 * next one, or it would never end where packets come as fast as they are worked on. False: the arena is full, and more may wait.
 */
static bool drain_socket(Receiver *receiver, Batch *batch, Socket *socket) {
  int errors = 0;
  while (batch->count < receiver->slots) {
    uint32_t room = receiver->slots - batch->count;
    unsigned int wanted = room < BATCH ? room : BATCH;
    double before_us = clock_us(CLOCK_MONOTONIC);
    int got = recvmmsg(socket->fd, receiver->headers + batch->count, wanted, MSG_DONTWAIT, NULL);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        socket->empty_us = before_us;
        return true;
      }
      /* An answer by ICMP, say: to read it clears it. */
      if (++errors > ERRORS_MAX) return true;
      continue;
    }
    double now_us = clock_us(CLOCK_MONOTONIC);
    for (int at = 0; at < got; at++) note_datagram(receiver, batch, socket, now_us);
    if ((unsigned int)got < wanted) {
      socket->empty_us = before_us;
      return true;
    }
    if (socket->arrival_us >= receiver->sweep_us) return true;
  }
  return false;
}

/* Goes on with the sweep, or begins one: every socket once, each until drain_socket is done with it. */
static void drain_all(Receiver *receiver, Batch *batch) {
  if (receiver->left == 0) {
    receiver->left = receiver->used;
    receiver->sweep_us = clock_us(CLOCK_MONOTONIC);
  }
  while (receiver->left > 0 && batch->count < receiver->slots) {
    Socket *socket = &receiver->sockets[receiver->cursor];
    if (socket->fd >= 0 && !drain_socket(receiver, batch, socket)) return;
    receiver->cursor = receiver->cursor + 1 < receiver->used ? receiver->cursor + 1 : 0;
    receiver->left--;
  }
}

/* ---- receivers ---- */

static void free_receiver(Receiver *receiver) {
  for (uint32_t at = 0; at < receiver->used; at++) close_socket(&receiver->sockets[at]);
  free(receiver->headers);
  free(receiver->vectors);
  free(receiver->sources);
  free(receiver->controls);
  free(receiver->sockets);
  free(receiver);
}

static Receiver *make_receiver(uint32_t slots, uint32_t slot_bytes) {
  Receiver *receiver = calloc(1, sizeof *receiver);
  if (receiver == NULL) return NULL;
  receiver->slots = slots;
  receiver->slot_bytes = slot_bytes;
  receiver->headers = calloc(slots, sizeof *receiver->headers);
  receiver->vectors = calloc(slots, sizeof *receiver->vectors);
  receiver->sources = calloc(slots, sizeof *receiver->sources);
  receiver->controls = calloc(slots, CONTROL_BYTES);
  if (!receiver->headers || !receiver->vectors || !receiver->sources || !receiver->controls) {
    free_receiver(receiver);
    return NULL;
  }
  for (uint32_t slot = 0; slot < slots; slot++) {
    receiver->vectors[slot].iov_len = slot_bytes;
    receiver->headers[slot].msg_hdr = (struct msghdr){
        .msg_name = &receiver->sources[slot],
        .msg_namelen = sizeof(struct sockaddr_storage),
        .msg_iov = &receiver->vectors[slot],
        .msg_iovlen = 1,
        .msg_control = receiver->controls + (size_t)slot * CONTROL_BYTES,
        .msg_controllen = CONTROL_BYTES,
    };
  }
  return receiver;
}

/* JavaScript may hand over another arena in any call, or the same one moved. */
static void point_into(Receiver *receiver, uint8_t *arena) {
  if (receiver->arena == arena) return;
  for (uint32_t slot = 0; slot < receiver->slots; slot++) {
    receiver->vectors[slot].iov_base = arena + (size_t)slot * receiver->slot_bytes;
  }
  receiver->arena = arena;
}

/* ---- what JavaScript calls ---- */

static napi_value refuse_type(napi_env env, const char *what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return NULL;
}

static napi_value refuse_range(napi_env env, const char *what) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", what);
  return NULL;
}

static napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

/* False when fewer arguments were given. */
static bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given >= count;
}

static bool whole_number(napi_env env, napi_value value, double min, double max, double *result) {
  return napi_get_value_double(env, value, result) == napi_ok && *result >= min && *result <= max &&
         *result == (double)(int64_t)*result;
}

static Receiver *receiver_of(napi_env env, napi_value value) {
  napi_valuetype type;
  bool ours = false;
  void *receiver = NULL;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external) return NULL;
  if (napi_check_object_type_tag(env, value, &RECEIVER_TAG, &ours) != napi_ok || !ours) return NULL;
  return napi_get_value_external(env, value, &receiver) == napi_ok ? receiver : NULL;
}

/* The memory of a typed array of `type` with at least `length` elements, else NULL; a detached one has none. */
static void *memory_of(napi_env env, napi_value value, napi_typedarray_type type, size_t length) {
  bool is_array = false;
  napi_typedarray_type found;
  size_t found_length = 0;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return NULL;
  if (napi_get_typedarray_info(env, value, &found, &found_length, &data, NULL, NULL) != napi_ok) return NULL;
  return found == type && found_length >= length ? data : NULL;
}

static void finalize_receiver(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free_receiver(data);
}

/* createReceiver(slots, slotBytes): a receiver without sockets */
static napi_value create_receiver(napi_env env, napi_callback_info info) {
  napi_value given[2];
  double slots, slot_bytes;
  if (!arguments(env, info, 2, given) || !whole_number(env, given[0], 1, SLOTS_MAX, &slots) ||
      !whole_number(env, given[1], SLOT_BYTES_MIN, SLOT_BYTES_MAX, &slot_bytes)) {
    return refuse_range(env, "createReceiver takes slots (1 to 4096) and bytes of each (64 to 65536)");
  }
  Receiver *receiver = make_receiver((uint32_t)slots, (uint32_t)slot_bytes);
  if (receiver == NULL) return refuse_range(env, "no memory for a receiver");
  napi_value result;
  if (napi_create_external(env, receiver, finalize_receiver, NULL, &result) != napi_ok) {
    free_receiver(receiver);
    return NULL;
  }
  return napi_type_tag_object(env, result, &RECEIVER_TAG) == napi_ok ? result : NULL;
}

/* openSocket(receiver, address, port, receiveBufferBytes): its id, or the negative error number */
static napi_value open_socket(napi_env env, napi_callback_info info) {
  napi_value given[4];
  char text[INET6_ADDRSTRLEN + 1];
  size_t length;
  double port, buffer_bytes;
  if (!arguments(env, info, 4, given)) return refuse_type(env, "openSocket takes four arguments");
  Receiver *receiver = receiver_of(env, given[0]);
  if (receiver == NULL) return refuse_type(env, "not a receiver");
  if (napi_get_value_string_utf8(env, given[1], text, sizeof text, &length) != napi_ok) {
    return refuse_type(env, "the address is a string");
  }
  if (!whole_number(env, given[2], 0, 65535, &port)) return refuse_range(env, "the port is 0 to 65535");
  if (!whole_number(env, given[3], 0, 1 << 30, &buffer_bytes)) return refuse_range(env, "the buffer is 0 to 1 GiB");
  struct sockaddr_storage address;
  socklen_t address_length = strlen(text) == length ? read_address(text, (uint16_t)port, &address) : 0;
  if (address_length == 0) return number(env, -EINVAL);
  Socket *socket = free_place(receiver);
  if (socket == NULL) return number(env, -EMFILE);
  int fd = bind_socket(&address, address_length, (int)buffer_bytes);
  if (fd < 0) return number(env, fd);
  double now_us = clock_us(CLOCK_MONOTONIC);
  /* The upper 15 bits count the openings of a place, so that an id that was closed means nothing any more. */
  int32_t id = (int32_t)(((uint32_t)socket->id + 0x10000) & 0x7fffffff);
  *socket = (Socket){.fd = fd, .id = id, .empty_us = now_us, .arrival_us = 0};
  return number(env, id);
}

/* closeSocket(receiver, id): datagrams that its socket had to drop, or -1 when it is not open */
static napi_value close_one(napi_env env, napi_callback_info info) {
  napi_value given[2];
  double id;
  if (!arguments(env, info, 2, given)) return refuse_type(env, "closeSocket takes two arguments");
  Receiver *receiver = receiver_of(env, given[0]);
  if (receiver == NULL) return refuse_type(env, "not a receiver");
  if (!whole_number(env, given[1], INT32_MIN, INT32_MAX, &id)) return refuse_range(env, "not the id of a socket");
  Socket *socket = find_socket(receiver, (int32_t)id);
  if (socket == NULL) return number(env, -1);
  double drops = final_drops(socket);
  close_socket(socket);
  return number(env, drops);
}

/* receive(receiver, arena, index, arrivals): how many datagrams; as many as there are slots: the sweep may not be over */
static napi_value receive(napi_env env, napi_callback_info info) {
  napi_value given[4];
  if (!arguments(env, info, 4, given)) return refuse_type(env, "receive takes four arguments");
  Receiver *receiver = receiver_of(env, given[0]);
  if (receiver == NULL) return refuse_type(env, "not a receiver");
  size_t slots = receiver->slots;
  Batch batch = {
      .arena = memory_of(env, given[1], napi_uint8_array, slots * receiver->slot_bytes),
      .index = memory_of(env, given[2], napi_int32_array, slots * INDEX_WORDS),
      .arrivals = memory_of(env, given[3], napi_float64_array, slots),
      .count = 0,
  };
  if (batch.arena == NULL || batch.index == NULL || batch.arrivals == NULL) {
    return refuse_range(env, "arena, index or arrivals are of the wrong kind or too short");
  }
  point_into(receiver, batch.arena);
  measure_offset(receiver);
  drain_all(receiver, &batch);
  return number(env, batch.count);
}

static bool export_function(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

NAPI_MODULE_INIT() {
  bool complete = export_function(env, exports, "createReceiver", create_receiver) &&
                  export_function(env, exports, "openSocket", open_socket) &&
                  export_function(env, exports, "closeSocket", close_one) &&
                  export_function(env, exports, "receive", receive) &&
                  napi_set_named_property(env, exports, "abi", number(env, ABI)) == napi_ok;
  return complete ? exports : NULL;
}
