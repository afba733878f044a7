// A round machine that notes what it asks for.
#pragma once

#include "coordinator/round.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

// What the machine asked for, in letters: b(egin) a(ssign) w(ithdraw) c(ommit) e(valuate).
struct log {
    char asked[256];
    size_t n;
    int64_t wake_ms;
    struct round *round;
};

static void note(struct log *log, char what)
{
    cr_assert(log->n + 1 < sizeof log->asked);
    log->asked[log->n++] = what;
}

static void begin(void *user, uint32_t round, uint32_t n_selected, uint64_t weight_unit)
{
    note(user, 'b');
}

static void assign(void *user, uint32_t slot, uint32_t round, uint32_t attempt, uint64_t unit,
                   int64_t left_ms)
{
    note(user, 'a');
}

static void withdraw(void *user, uint32_t slot, uint32_t round)
{
    note(user, 'w');
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    note(user, 'A');
}

static void commit(void *user, uint32_t round, uint32_t n_summaries)
{
    note(user, 'c');
}

static void evaluate(void *user, uint32_t round)
{
    note(user, 'e');
}

static void changed(void *user, enum round_phase phase)
{
}

static void wake_at(void *user, int64_t at_ms)
{
    ((struct log *)user)->wake_ms = at_ms;
}

static const struct round_operations operations = {begin,  assign,   withdraw, admit,
                                                   commit, evaluate, changed,  wake_at};

static void open_log(struct log *log, const struct round_options *options)
{
    *log = (struct log){.wake_ms = INT64_MAX};
    log->round = round_new(options, &operations, log);
    cr_assert(log->round != NULL);
}

// Everything asked for since the last look.
__attribute__((unused)) static const char *asked(struct log *log)
{
    static char text[256];
    memcpy(text, log->asked, log->n);
    text[log->n] = '\0';
    log->n = 0;
    return text;
}

__attribute__((unused)) static void start(struct log *log, const struct round_options *options)
{
    open_log(log, options);
    round_prepared(log->round, 0);
    for (uint32_t slot = 0; slot < options->n_learners; slot++)
        round_learner_ready(log->round, slot, 10, 0);
}

__attribute__((unused)) static void submit(struct log *log, uint32_t slot, int64_t now_ms)
{
    cr_assert(round_offer(log->round, slot, round_number(log->round), round_attempt(log->round), now_ms) ==
              OFFER_TAKE);
    round_upload_begun(log->round, slot, false, now_ms);
    round_submitted(log->round, slot, now_ms);
}

__attribute__((unused)) static enum round_offer offer(const struct log *log, uint32_t slot, int64_t now_ms)
{
    return round_offer(log->round, slot, round_number(log->round), round_attempt(log->round), now_ms);
}

#define cr_phase(log, phase) cr_assert(round_phase((log).round) == (phase))
#define cr_asked(log, text)  cr_assert(zero(int, strcmp(asked(&(log)), text)))
