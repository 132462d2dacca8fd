/* The limit that benchmarks/ compares with: a loop that only does send(2) of one frame to every socket.
 *
 * bare PORT COUNT: accepts COUNT connections, prints "ready"; then, for each line on standard input with the
 * frame's length, sends that many bytes to each socket and prints "sent SECONDS".
 */
#include <stdio.h>
#include <stdlib.h>
#include "loopback.h"

int main(int argc, char **argv) {
    if (argc != 3) return 1;
    int wanted = atoi(argv[2]), one = 1, *sockets = malloc(sizeof(int) * wanted);
    struct sockaddr_in address = loopback(atoi(argv[1]));
    static char frame[1 << 16];
    int listener = socket(AF_INET, SOCK_STREAM, 0), length;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("listening\n");
    for (int i = 0; i < wanted; i++) {
        sockets[i] = accept(listener, NULL, NULL);
        without_delay(sockets[i]);
    }
    printf("ready\n");
    while (scanf("%d", &length) == 1) {
        double start = now();
        for (int i = 0; i < wanted; i++)
            if (send(sockets[i], frame, length, MSG_NOSIGNAL) != length) return 2;
        printf("sent %.6f\n", now() - start);
    }
    return 0;
}
