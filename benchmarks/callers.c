/* The HTTP load of benchmarks/: keep-alive connections in one epoll loop.
 *
 * callers PORT CONNECTIONS COUNT RATE FILE
 *   FILE holds requests, each as "LENGTH\n" and so many bytes; request k is number k modulo what FILE holds.
 *   RATE 0, closed loop: each connection sends its next request when it has the answer to its last one.
 *   RATE > 0, open loop: request k is due k / RATE seconds after the start and goes out as soon as a connection
 *   is free; its latency counts from when it was due.
 * Prints "OK OTHERS START SECONDS P50 P99 P999 MAX": answers with status 200; others, and connections lost;
 * the start by CLOCK_MONOTONIC; how long it took; latencies of the answers with 200, in seconds.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "loopback.h"

#define MOST 1024
#define ROOM (1 << 14)
#define PATIENCE 10.0 /* seconds without any answer after which it gives up */
#define TIMER MOST

typedef struct { char *bytes; int length; } Request;
typedef struct { int fd, busy, filled; double since; char answer[ROOM + 1]; } Connection;

static Connection connections[MOST];
static int queue[MOST], queue_head, queued; /* free connections, the one free for longest first */
static Request *requests;
static long stored, issued, settled, wanted, answered, others;
static double *latencies, start, heard, rate;
static int ring, port, callers;

static void load(const char *name) {
    FILE *file = fopen(name, "r");
    int length;
    while (file && fscanf(file, "%d", &length) == 1 && fgetc(file) == '\n') {
        requests = realloc(requests, (stored + 1) * sizeof *requests);
        requests[stored] = (Request){malloc(length), length};
        if (fread(requests[stored++].bytes, 1, length, file) != (size_t)length) exit(2);
    }
    if (!stored) exit(2);
}

static void watch(int fd, int index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(ring, EPOLL_CTL_ADD, fd, &event);
}

static void set_free(int index) {
    connections[index].busy = connections[index].filled = 0;
    queue[(queue_head + queued++) % callers] = index;
}

static void open_connection(int index) {
    if ((connections[index].fd = open_socket(port)) < 0) exit(3);
    watch(connections[index].fd, index);
}

static void lose(int index) {
    Connection *connection = &connections[index];
    close(connection->fd);
    open_connection(index);
    if (!connection->busy) return;
    others++;
    settled++;
    set_free(index);
}

static long due(void) {
    long so_far = rate ? (now() - start) * rate + 1 : wanted;
    return so_far < wanted ? so_far : wanted;
}

static void issue(void) {
    for (long limit = due(); queued && issued < limit; issued++) {
        Connection *connection = &connections[queue[queue_head]];
        Request request = requests[issued % stored];
        queue_head = (queue_head + 1) % callers;
        queued--;
        connection->busy = 1;
        connection->since = rate ? start + issued / rate : now();
        /* What fails here shows as the end of the connection. */
        if (send(connection->fd, request.bytes, request.length, MSG_NOSIGNAL) < 0) continue;
    }
}

/* Length of the whole answer, or 0 while that is not known. */
static long answer_length(const char *answer) {
    const char *end = strstr(answer, "\r\n\r\n"), *field = strcasestr(answer, "\r\ncontent-length:");
    if (!end) return 0;
    return end + 4 - answer + (field && field < end ? atol(field + 17) : 0);
}

static void hear(int index) {
    Connection *connection = &connections[index];
    ssize_t got = recv(connection->fd, connection->answer + connection->filled, ROOM - connection->filled, 0);
    if (got <= 0) { lose(index); return; }
    heard = now();
    connection->filled += got;
    connection->answer[connection->filled] = 0;
    long length = answer_length(connection->answer);
    if (!length || connection->filled < length) return;
    if (!strncmp(connection->answer, "HTTP/1.1 200 ", 13)) latencies[answered++] = heard - connection->since;
    else others++;
    settled++;
    set_free(index);
}

static int open_timer(void) {
    struct itimerspec period = {.it_value.tv_nsec = 1, .it_interval.tv_nsec = rate > 1 ? 1e9 / rate : 999999999};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(timer, 0, &period, NULL);
    watch(timer, TIMER);
    return timer;
}

static void run(int timer) {
    struct epoll_event events[MOST];
    while (settled < wanted && now() - heard < PATIENCE) {
        issue();
        int ready = epoll_wait(ring, events, MOST, 1000);
        for (int i = 0; i < ready; i++) {
            long ticks;
            if (events[i].data.u32 != TIMER) hear(events[i].data.u32);
            else if (read(timer, &ticks, sizeof ticks) < 0) continue;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 1;
    port = atoi(argv[1]);
    callers = atoi(argv[2]);
    wanted = atol(argv[3]);
    rate = atof(argv[4]);
    load(argv[5]);
    if (callers < 1 || callers > MOST) return 1;
    latencies = malloc(wanted * sizeof *latencies);
    ring = epoll_create1(0);
    for (int i = 0; i < callers; i++) {
        open_connection(i);
        set_free(i);
    }
    start = heard = now();
    run(rate ? open_timer() : -1);
    double seconds = now() - start;
    qsort(latencies, answered, sizeof *latencies, compare);
    printf("%ld %ld %.6f %.6f %.6f %.6f %.6f %.6f\n", answered, others + wanted - settled, start, seconds,
           quantile(latencies, answered, .5), quantile(latencies, answered, .99),
           quantile(latencies, answered, .999), quantile(latencies, answered, 1));
    return 0;
}
