/* The devices of benchmarks/: many WebSocket connections in one epoll loop. Counts the bytes of text frames and
 * answers pings; decodes nothing else.
 *
 * It is driven by lines on its standard input and answers each with one line on its standard output:
 *   connect PORT FILE             open one connection for each device id in FILE; "connected N SECONDS"
 *   raw PORT N                    open N plain TCP connections; "connected N SECONDS"
 *   expect BYTES COUNT TIMEOUT    wait until COUNT connections got BYTES more bytes each (0: any); prints
 *                                 "got COUNT FIRST P50 P99 LAST" in seconds since the line was read
 *   watch SECONDS                 read and discard for so long; "read BYTES"
 *   sleep SECONDS                 read nothing for so long, then look when the kernel took in the last bytes of each
 *                                 connection; "slept COUNT FIRST P50 P99 LAST" in seconds since 1970
 *   frames COUNT TIMEOUT FILE     read frames whose alert is a number, until there were COUNT; writes a line
 *                                 "NUMBER TIME" for each into FILE, TIME by CLOCK_MONOTONIC; "framed COUNT"
 *   quit
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "loopback.h"

#define MOST 20000
#define IN_FLIGHT 64
#define BATCH 512
#define SHORTEST 50 /* bytes: no frame with a message is shorter, no ping as long */

static int sockets[MOST];
static long received[MOST]; /* bytes of text frames */
static long inside[MOST];   /* bytes of the frame in hand that are still to come */
static char reached[MOST];
static double arrival[MOST];
static char scratch[1 << 16];
static int count, ring, plain;

/* Walk over the frames in what was read: the bytes of text frames; pings are answered. */
static long text_bytes(int index, const unsigned char *data, long length) {
    static const char pong[] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};
    long position = inside[index], total = position < length ? position : length;
    while (position + 2 <= length) {
        long size = data[position + 1] & 127, header = 2;
        if (size == 126 && position + 4 <= length) {
            size = data[position + 2] << 8 | data[position + 3];
            header = 4;
        }
        if ((data[position] & 15) == 9) {
            if (send(sockets[index], pong, sizeof pong, MSG_NOSIGNAL) < 0) return total;
        } else total += header + size <= length - position ? header + size : length - position;
        position += header + size;
    }
    inside[index] = position > length ? position - length : 0;
    return total;
}

/* Read what is there; ``use`` is called with every piece. */
static long drain(int index, void (*use)(long length)) {
    long total = 0;
    ssize_t got;
    while ((got = recv(sockets[index], scratch, sizeof scratch, 0)) > 0) {
        total += plain ? got : text_bytes(index, (unsigned char *)scratch, got);
        if (use) use(got);
    }
    received[index] += total;
    return total;
}

/* Read what has come in since, and so answer pings: a device that does not is taken for dead. */
static void look(void) {
    struct epoll_event events[BATCH];
    int ready = epoll_wait(ring, events, BATCH, 0);
    for (int i = 0; i < ready; i++) drain(events[i].data.u32, NULL);
}

static int handshake_done(int fd) {
    int length = 0;
    while (length < 2000) {
        ssize_t got = recv(fd, scratch + length, 1, 0);
        if (got <= 0) return 0;
        length += got;
        if (length >= 4 && !memcmp(scratch + length - 4, "\r\n\r\n", 4)) return !memcmp(scratch, "HTTP/1.1 101", 12);
    }
    return 0;
}

static void adopt(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = count};
    epoll_ctl(ring, EPOLL_CTL_ADD, fd, &event);
    sockets[count++] = fd;
}

static void finish_handshakes(const int *waiting, int pending) {
    while (pending) {
        int fd = waiting[--pending];
        if (handshake_done(fd)) adopt(fd);
        else close(fd);
    }
}

static void connect_devices(int port, FILE *ids) {
    char id[200], request[600];
    int waiting[IN_FLIGHT], pending = 0;
    double start = now();
    while (fscanf(ids, "%199s", id) == 1 && count + pending < MOST) {
        int fd = open_socket(port);
        if (fd < 0) break;
        int size = snprintf(request, sizeof request,
            "GET /msgpush.ws?deviceId=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n", id, port);
        if (write(fd, request, size) != size) break;
        waiting[pending++] = fd;
        if (pending < IN_FLIGHT) continue;
        finish_handshakes(waiting, pending);
        pending = 0;
        look();
    }
    finish_handshakes(waiting, pending);
    printf("connected %d %.3f\n", count, now() - start);
}

static void connect_plain(int port, int wanted) {
    double start = now();
    plain = 1;
    while (count < wanted && count < MOST) {
        int fd = open_socket(port);
        if (fd < 0) break;
        adopt(fd);
    }
    printf("connected %d %.3f\n", count, now() - start);
}

static void expect(long bytes, int wanted, double timeout) {
    struct epoll_event events[BATCH];
    double start = now();
    int done = 0;
    memset(reached, 0, sizeof reached);
    memset(received, 0, sizeof received);
    while (done < wanted && now() - start < timeout) {
        int ready = epoll_wait(ring, events, BATCH, 100);
        double moment = now();
        for (int i = 0; i < ready; i++) {
            int index = events[i].data.u32;
            drain(index, NULL);
            if (reached[index] || received[index] < (bytes ? bytes : 1)) continue;
            reached[index] = 1;
            arrival[done++] = moment - start;
        }
    }
    qsort(arrival, done, sizeof *arrival, compare);
    printf("got %d %.6f %.6f %.6f %.6f\n", done, quantile(arrival, done, 0), quantile(arrival, done, .5),
           quantile(arrival, done, .99), quantile(arrival, done, 1));
}

static void watch(double seconds) {
    struct epoll_event events[BATCH];
    double start = now();
    long total = 0;
    while (now() - start < seconds) {
        int ready = epoll_wait(ring, events, BATCH, 20);
        for (int i = 0; i < ready; i++) total += drain(events[i].data.u32, NULL);
    }
    printf("read %ld\n", total);
}

/* When the kernel took in the last bytes that wait on a connection; 0 when none wait. */
static double kernel_time(int fd, long *length) {
    char control[256];
    struct iovec piece = {.iov_base = scratch, .iov_len = sizeof scratch};
    double last = 0;
    for (*length = 0;;) {
        struct msghdr message = {
            .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(fd, &message, 0);
        if (got <= 0) return last;
        *length += got;
        for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
            if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
            struct timespec *stamp = (struct timespec *)CMSG_DATA(part);
            last = stamp->tv_sec + stamp->tv_nsec / 1e9;
        }
    }
}

/* Who got more than the others got a ping as well, perhaps the later of the two. */
static void sleep_through(double seconds) {
    static double moments[MOST];
    static long lengths[MOST];
    int on = 1, done = 0, all = 0;
    long least = sizeof scratch;
    for (int i = 0; i < count; i++) setsockopt(sockets[i], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    printf("asleep\n");
    usleep(seconds * 1e6);
    for (int i = 0; i < count; i++) {
        moments[i] = kernel_time(sockets[i], &lengths[i]);
        if (lengths[i] > SHORTEST && ++all && lengths[i] < least) least = lengths[i];
    }
    for (int i = 0; i < count; i++)
        if (lengths[i] == least) arrival[done++] = moments[i];
    qsort(arrival, done, sizeof *arrival, compare);
    printf("slept %d %.6f %.6f %.6f %.6f\n", all, quantile(arrival, done, 0), quantile(arrival, done, .5),
           quantile(arrival, done, .99), quantile(arrival, done, 1));
}

static FILE *numbers;
static int framed;

static void note_numbers(long length) {
    static const char key[] = "\"alert\":\"";
    double moment = now();
    char *place = scratch, *end = scratch + length;
    while ((place = memmem(place, end - place, key, sizeof key - 1))) {
        place += sizeof key - 1;
        fprintf(numbers, "%ld %.6f\n", strtol(place, NULL, 10), moment);
        framed++;
    }
}

static void read_frames(int wanted, double timeout) {
    struct epoll_event events[BATCH];
    double start = now();
    framed = 0;
    while (framed < wanted && now() - start < timeout) {
        int ready = epoll_wait(ring, events, BATCH, 100);
        for (int i = 0; i < ready; i++) drain(events[i].data.u32, note_numbers);
    }
    printf("framed %d\n", framed);
}

/* Wait for the next line, and look at the connections meanwhile. */
static char *next_line(char *line, int size) {
    struct pollfd waiting[] = {{.fd = 0, .events = POLLIN}, {.fd = ring, .events = POLLIN}};
    for (;;) {
        poll(waiting, 2, -1);
        if (waiting[0].revents) return fgets(line, size, stdin);
        look();
    }
}

int main(void) {
    char line[1000], name[800];
    int port, number;
    long bytes;
    double seconds;
    ring = epoll_create1(0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (next_line(line, sizeof line)) {
        if (sscanf(line, "connect %d %799s", &port, name) == 2) {
            FILE *ids = fopen(name, "r");
            if (!ids) return 1;
            connect_devices(port, ids);
            fclose(ids);
        } else if (sscanf(line, "frames %d %lf %799s", &number, &seconds, name) == 3) {
            if (!(numbers = fopen(name, "w"))) return 1;
            read_frames(number, seconds);
            fclose(numbers);
        } else if (sscanf(line, "raw %d %d", &port, &number) == 2) connect_plain(port, number);
        else if (sscanf(line, "expect %ld %d %lf", &bytes, &number, &seconds) == 3) expect(bytes, number, seconds);
        else if (sscanf(line, "watch %lf", &seconds) == 1) watch(seconds);
        else if (sscanf(line, "sleep %lf", &seconds) == 1) sleep_through(seconds);
        else break;
    }
    return 0;
}
