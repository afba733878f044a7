// The HTTP server of /metrics. With an even first byte the rest is what a client sends before it closes its
// half of a connection, to a server that is up all the time: every answer is one of HTTP's, the numbers go
// to who asks for them alone, and an honest request is answered afterwards. Odd: the
// value of a label, as the name of a learner is one: it reads back as it was, and is one line.
#include "base/bytes.h"
#include "fuzz.h"
#include "report/prometheus.h"
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 1 << 16, QUIET_MS = 20, PATIENCE_MS = 60000, HONEST_EVERY = 16, TRIES = 5 };

static const char secret[] = "cohort_fuzz_total 7\n";
static int port;

// ---- requests -------------------------------------------------------------------------------------------

static void collect(void *self, struct bytes *ret)
{
    bytes_text(ret, secret);
}

static void serve(void)
{
    static struct prometheus_server *server; // until the process ends
    struct error error = ERROR_INIT;
    enum status status = prometheus_server_new(&server, "127.0.0.1:0", collect, NULL, &port, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", error.message);
    fuzz_require(status == STATUS_OK && port > 0);
}

static int dial(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct linger reset = {.l_onoff = 1}; // it leaves no connection behind
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fuzz_require(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

// All that the server answers, as text, until it hangs up or is quiet, as it is when it waits for the rest.
static size_t ask(const void *data, size_t n, int quiet_ms, char ret[ANSWER_BYTES_MAX])
{
    struct pollfd ready = {.fd = dial(), .events = POLLIN};
    int fd = ready.fd;
    size_t at = 0;
    ssize_t got;
    send(fd, data, n, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (at < ANSWER_BYTES_MAX - 1 && poll(&ready, 1, quiet_ms) > 0 &&
           (got = recv(fd, ret + at, ANSWER_BYTES_MAX - 1 - at, 0)) > 0)
        at += (size_t)got;
    ret[at] = '\0';
    close(fd);
    return at;
}

static bool is_answer(const char *text)
{
    int code = 0;
    return strncmp(text, "HTTP/1.", 7) == 0 && sscanf(text + 8, " %3d ", &code) == 1 && code >= 100 &&
           code < 600;
}

static void ask_honestly(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    static char text[ANSWER_BYTES_MAX];
    for (int i = 0; i < TRIES; i++) // on a busy machine the server may take it for idle
        if (ask(request, sizeof request - 1, PATIENCE_MS, text) > 0)
            break;
    fuzz_require(strncmp(text, "HTTP/1.1 200 ", 13) == 0 && strstr(text, secret));
}

static void request(const uint8_t *data, size_t n)
{
    static char text[ANSWER_BYTES_MAX];
    static unsigned int count;
    if (port == 0)
        serve();
    size_t answered = ask(data, n, QUIET_MS, text);
    fuzz_require(answered == 0 || is_answer(text));
    if (strstr(text, secret)) // a path may be written with escapes
        fuzz_require(memmem(data, n, "GET", 3) && (memmem(data, n, "/", 1) || memmem(data, n, "%2", 2)));
    if (count++ % HONEST_EVERY == 0)
        ask_honestly();
}

// ---- labels ---------------------------------------------------------------------------------------------

// Reads a label's value back, from after its opening quote; what follows its closing one.
static const char *unescape(const char *at, char *ret)
{
    for (; *at != '"'; at++) {
        fuzz_require(*at && *at != '\n');
        if (*at == '\\') {
            at++;
            fuzz_require(*at == '\\' || *at == '"' || *at == 'n');
            *ret++ = *at == 'n' ? '\n' : *at;
        } else {
            *ret++ = *at;
        }
    }
    *ret = '\0';
    return at + 1;
}

static void label(const char *value, double number)
{
    struct bytes text = BYTES_INIT;
    static char again[ANSWER_BYTES_MAX];
    const char *const labels[] = {"experiment", value, "learner", value, NULL};
    prometheus_sample(&text, "m", labels, number);
    fuzz_require(!text.failed && text.data[text.n - 1] == '\n');
    fuzz_require(strncmp(text.data, "m{experiment=\"", 14) == 0);
    const char *at = unescape(text.data + 14, again);
    fuzz_require(strcmp(again, value) == 0 && strncmp(at, ",learner=\"", 10) == 0);
    at = unescape(at + 10, again);
    fuzz_require(strcmp(again, value) == 0 && strncmp(at, "} ", 2) == 0);
    fuzz_require(strchr(at, '\n') == text.data + text.n - 1);
    bytes_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char value[ANSWER_BYTES_MAX / 4];
    if (fuzz_byte(&data, &n) % 2 == 0) {
        request(data, n);
        return 0;
    }
    double number = 0;
    memcpy(&number, data, n < sizeof number ? n : sizeof number);
    snprintf(value, sizeof value, "%.*s", (int)(n < sizeof value ? n : sizeof value - 1), (const char *)data);
    label(value, number);
    return 0;
}
