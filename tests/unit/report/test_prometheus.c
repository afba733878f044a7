#include "report/prometheus.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(prometheus, .timeout = 30);

static struct error error;

Test(prometheus, a_family_has_help_type_and_samples)
{
    struct bytes text = BYTES_INIT;
    prometheus_family(&text, "x_total", "counter", "Things.");
    prometheus_sample(&text, "x_total", NULL, 3);
    prometheus_sample(&text, "x_total", (const char *const[]){"a", "b", "c", "d", NULL}, 0.5);
    cr_expect_str_eq(
        text.data,
        "# HELP x_total Things.\n# TYPE x_total counter\nx_total 3\nx_total{a=\"b\",c=\"d\"} 0.5\n");
    bytes_release(&text);
}

Test(prometheus, labels_hold_any_text)
{
    struct bytes text = BYTES_INIT;
    prometheus_sample(&text, "x", (const char *const[]){"a", "q\" b\\ n\n", NULL}, 1);
    cr_expect_str_eq(text.data, "x{a=\"q\\\" b\\\\ n\\n\"} 1\n");
    bytes_release(&text);
}

Test(prometheus, values_that_are_no_numbers_have_names)
{
    struct bytes text = BYTES_INIT;
    prometheus_sample(&text, "x", NULL, (double)NAN);
    prometheus_sample(&text, "x", NULL, (double)INFINITY);
    prometheus_sample(&text, "x", NULL, (double)-INFINITY);
    cr_expect_str_eq(text.data, "x NaN\nx +Inf\nx -Inf\n");
    bytes_release(&text);
}

// ---- the server -----------------------------------------------------------------------------------------

static struct prometheus_server *server;
static int port, n_scrapes;

static void collect(void *self, struct bytes *ret)
{
    (*(int *)self)++;
    bytes_text(ret, "x 1\n");
}

static void serve(void)
{
    cr_assert_eq(prometheus_server_new(&server, "127.0.0.1:0", collect, &n_scrapes, &port, &error), STATUS_OK,
                 "%s", error.message);
    cr_assert_gt(port, 0);
}

static void ask(const char *request, char *ret, size_t room)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    size_t n = 0;
    for (ssize_t k; n < room - 1 && (k = recv(fd, ret + n, room - 1 - n, 0)) > 0; n += (size_t)k)
        ;
    ret[n] = '\0';
    close(fd);
}

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Test(prometheus, the_server_answers_with_what_was_collected)
{
    char answer[4096];
    serve();
    ask("GET /metrics" END, answer, sizeof answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 200", 12), 0, "%s", answer);
    cr_expect_not_null(strstr(answer, "text/plain; version=0.0.4"), "%s", answer);
    cr_expect_not_null(strstr(answer, "\r\n\r\nx 1\n"), "%s", answer);
    ask("HEAD /metrics" END, answer, sizeof answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 200", 12), 0, "%s", answer);
    cr_expect_null(strstr(answer, "x 1"), "%s", answer);
    cr_expect_eq(n_scrapes, 2);
    server = prometheus_server_free(server);
    cr_expect_null(server);
}

Test(prometheus, the_server_refuses_all_else)
{
    char answer[4096];
    serve();
    ask("GET /" END, answer, sizeof answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 404", 12), 0, "%s", answer);
    ask("GET /metrics/../etc/passwd" END, answer, sizeof answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 404", 12), 0, "%s", answer);
    ask("DELETE /metrics" END, answer, sizeof answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 405", 12), 0, "%s", answer);
    ask("\x01\x02 nonsense\r\n\r\n", answer, sizeof answer);
    cr_expect_neq(strncmp(answer, "HTTP/1.1 200", 12), 0, "%s", answer);
    cr_expect_eq(n_scrapes, 0);
    prometheus_server_free(server);
}

Test(prometheus, an_address_that_cannot_be_listened_on_is_named)
{
    struct prometheus_server *other = NULL;
    char taken[32];
    int other_port;
    static const char *const wrong[] = {"nonsense", "127.0.0.1:", ":9090", "127.0.0.1:metrics", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_expect_eq(prometheus_server_new(&other, wrong[i], collect, NULL, &other_port, &error),
                     STATUS_INVALID_ARGUMENT, "%s", wrong[i]);
        cr_expect_not_null(strstr(error.message, wrong[i]), "%s", error.message);
    }
    serve();
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    cr_expect_eq(prometheus_server_new(&other, taken, collect, NULL, &other_port, &error),
                 STATUS_ALREADY_EXISTS);
    cr_expect_not_null(strstr(error.message, taken), "%s", error.message);
    cr_expect_null(other);
    prometheus_server_free(server);
}
