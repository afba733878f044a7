// Reading another process's memory: who may, and what becomes of it when that process is gone.
#include "base/memory.h"
#include "cross_memory_kit.h"
#include "rpc/cross_memory.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cross_memory, .timeout = 60);

enum { VALUES = 300000, NOBODY = 65534 };

// At the same addresses in this process and in one that is forked off it, of other content.
static struct cross_token token;
static uint32_t values[VALUES];

static void fill(uint32_t seed)
{
    for (uint32_t i = 0; i < VALUES; i++)
        values[i] = seed + i;
}

// A process that runs `act`, then tells its token and waits to be killed.
static pid_t spawn(void (*act)(const struct cross_door *door), const struct cross_door *door)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        act(door);
        if (write(ends[1], &token, sizeof token) != sizeof token)
            _exit(1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ends[0], &token, sizeof token), (ssize_t)sizeof token);
    close(ends[0]);
    close(ends[1]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static struct cross_door *open_door(void)
{
    struct cross_door *door = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(cross_door_open(&door, &error), STATUS_OK, "%s", error.message);
    return door;
}

static void knock(const struct cross_door *door)
{
    struct error error = ERROR_INIT;
    const struct cross_token *at_door = cross_door_token(door);
    struct cross_memory *memory = cross_memory_knock(at_door, cross_address(at_door));
    cross_token_draw(&token, &error);
    fill(7);
    memset(&token, memory ? 1 : 2, 1); // tells the parent whether it was let in
    cross_memory_unref(memory);
}

Test(cross_memory, two_processes_read_each_other)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    struct cross_door *door = open_door();
    struct error error = ERROR_INIT;
    uint32_t *read = memory_array(VALUES, sizeof *read);
    pid_t child = spawn(knock, door);
    cr_expect_eq(token.bytes[0], 1, "the child could not read this process");
    struct cross_memory *memory = cross_door_meet(door, &token, cross_address(&token));
    cr_assert_not_null(memory);
    cr_assert_eq(cross_memory_read(memory, cross_address(values), read, sizeof values, &error), STATUS_OK);
    for (uint32_t i = 0; i < VALUES; i++)
        cr_assert_eq(read[i], 7 + i);
    cross_memory_unref(memory);

    memory = cross_door_meet(door, &token, cross_address(&token)); // without another knock
    cr_assert_not_null(memory);
    end(child);
    cr_expect_eq(cross_memory_read(memory, cross_address(values), read, sizeof values, &error),
                 STATUS_ABORTED);
    cross_memory_unref(memory);
    cr_expect_null(cross_door_meet(door, &token, cross_address(&token)));
    cross_door_close(door);
    memory_free(read);
}

Test(cross_memory, a_token_must_lie_where_it_is_said_to)
{
    struct cross_door *door = open_door();
    const struct cross_token *at_door = cross_door_token(door);
    struct cross_token other = *at_door;
    cr_expect_null(cross_memory_knock(at_door, cross_address(at_door) + 1));
    cr_expect_null(cross_memory_knock(at_door, 16), "nothing is there");
    other.bytes[0] ^= 1;
    cr_expect_null(cross_memory_knock(&other, cross_address(&other)), "such a door is not open");
    pid_t child = spawn(knock, door);
    other = token;
    other.bytes[1] ^= 1;
    cr_expect_null(cross_door_meet(door, &other, cross_address(&token)));
    cr_expect_null(cross_door_meet(door, &token, cross_address(&token)), "that knock is used up");
    end(child);
    cross_door_close(door);
}

static void become_nobody(const struct cross_door *door)
{
    if (setgid(NOBODY) || setuid(NOBODY))
        _exit(1);
    knock(door);
}

Test(cross_memory, another_user_is_not_let_in)
{
    if (geteuid() != 0)
        cr_skip("only root can become somebody else");
    struct cross_door *door = open_door();
    pid_t child = spawn(become_nobody, door);
    cr_expect_eq(token.bytes[0], 2, "it read this process");
    cr_expect_null(cross_door_meet(door, &token, cross_address(&token)), "and was read, as root may");
    end(child);
    cross_door_close(door);
}

// A neighbour: this process itself, by its own door.
static struct cross_memory *self(struct cross_door *door)
{
    const struct cross_token *at_door = cross_door_token(door);
    struct cross_memory *memory = cross_memory_knock(at_door, cross_address(at_door));
    cr_assert_not_null(memory);
    return memory;
}

struct taker {
    uint64_t next, most;
};

static bool take(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
    struct taker *taker = user;
    cr_assert_eq(offset, taker->next);
    cr_assert_eq(memcmp(bytes, (const uint8_t *)values + offset, n), 0);
    taker->next += n;
    return taker->next <= taker->most;
}

Test(cross_memory, bytes_are_passed_in_order_until_they_are_refused)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    struct cross_door *door = open_door();
    struct cross_memory *memory = self(door);
    struct error error = ERROR_INIT;
    struct taker taker = {.most = UINT64_MAX};
    fill(3);
    cr_assert_eq(cross_memory_pass(memory, cross_address(values), sizeof values, 0, take, &taker, &error),
                 STATUS_OK);
    cr_expect_eq(taker.next, sizeof values);
    taker = (struct taker){.most = 1 << 19};
    cr_expect_eq(cross_memory_pass(memory, cross_address(values), sizeof values, 0, take, &taker, &error),
                 STATUS_ABORTED);
    cr_expect_lt(taker.next, sizeof values);
    cross_memory_unref(memory);
    cross_door_close(door);
}

Test(cross_memory, what_is_not_there_is_an_error)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    struct cross_door *door = open_door();
    struct cross_memory *memory = self(door);
    struct error error = ERROR_INIT;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *copy = memory_zalloc(2 * page);
    cr_assert_neq((void *)pages, MAP_FAILED);
    munmap(pages + page, page);
    cr_expect_eq(cross_memory_read(memory, cross_address(pages), copy, page, &error), STATUS_OK);
    cr_expect_eq(cross_memory_read(memory, cross_address(pages), copy, 2 * page, &error), STATUS_ABORTED);
    cr_expect_eq(cross_memory_read(memory, UINT64_MAX - 4, copy, page, &error), STATUS_ABORTED);
    munmap(pages, page);
    memory_free(copy);
    cross_memory_unref(memory);
    cross_door_close(door);
}
