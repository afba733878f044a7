#include "round_log.h"

// FedBuff: two summaries make a round.
static const struct round_options buffered = {.seed = 1,
                                              .rounds = 5,
                                              .n_learners = 3,
                                              .fraction = 1,
                                              .continuous = true,
                                              .target = 2,
                                              .refills = true,
                                              .max_staleness = 2};
static const struct round_options periodic = {.seed = 1,
                                              .rounds = 5,
                                              .n_learners = 3,
                                              .fraction = 1,
                                              .deadline_ms = 100,
                                              .continuous = true,
                                              .max_staleness = 2};

static enum round_offer offer_of(const struct log *log, uint32_t slot, uint32_t number)
{
    return round_offer(log->round, slot, number, 1, 0);
}

// Sends what the slot was assigned, as far as the answer to its last byte.
static enum round_whole send_summary(struct log *log, uint32_t slot, int64_t now_ms, uint32_t *ret_staleness)
{
    uint32_t number = round_slot(log->round, slot)->number;
    cr_assert(offer_of(log, slot, number) == OFFER_TAKE);
    round_upload_begun(log->round, slot, true, now_ms);
    return round_upload_whole(log->round, slot, number, 1, ret_staleness, now_ms);
}

static void count_summary(struct log *log, uint32_t slot, int64_t now_ms, uint32_t staleness)
{
    uint32_t is = 99;
    cr_assert(send_summary(log, slot, now_ms, &is) == WHOLE_FOLD);
    cr_assert(eq(u32, is, staleness));
    round_submitted(log->round, slot, now_ms);
}

#define cr_number(log, slot, n) cr_assert(eq(u32, round_slot((log).round, slot)->number, n))

Test(round_continuous, commits_with_a_full_buffer_and_assigns_who_was_in_it_anew)
{
    struct log log;
    start(&log, &buffered);
    cr_asked(log, "baaa");
    count_summary(&log, 0, 1, 0);
    cr_asked(log, ""); // it has started from the present model before
    count_summary(&log, 2, 2, 0);
    cr_asked(log, "c");
    round_committed(log.round, true, 3);
    cr_asked(log, "ebaa");
    cr_number(log, 0, 2);
    cr_number(log, 1, 1);
    cr_number(log, 2, 2);
    round_free(log.round);
}

Test(round_continuous, counts_a_straggler_late_and_assigns_it_at_once)
{
    struct log log;
    start(&log, &buffered);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    round_committed(log.round, true, 3);
    asked(&log);
    count_summary(&log, 1, 4, 1);
    cr_asked(log, "a");
    cr_number(log, 1, 2);
    cr_assert(round_slot(log.round, 1)->counted);
    round_free(log.round);
}

Test(round_continuous, parks_what_comes_while_a_round_is_committed)
{
    struct log log;
    uint32_t staleness;
    start(&log, &buffered);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    cr_assert(send_summary(&log, 1, 3, &staleness) == WHOLE_PARK);
    cr_assert(offer_of(&log, 1, 1) == OFFER_HAVE);
    asked(&log);
    round_committed(log.round, true, 4);
    cr_asked(log, "ebAaa");
    round_submitted(log.round, 1, 5);
    cr_asked(log, "a");
    cr_assert(eq(u32, round_n_submitted(log.round), 1));
    round_free(log.round);
}

Test(round_continuous, parks_a_learners_second_summary_of_a_round)
{
    struct round_options options = buffered;
    options.target = 3;
    struct log log;
    uint32_t staleness;
    start(&log, &options);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 1, 1, 0);
    count_summary(&log, 2, 1, 0);
    round_committed(log.round, true, 2);
    round_learner_left(log.round, 0, 3);
    round_learner_ready(log.round, 0, 10, 3); // another one in its place
    count_summary(&log, 0, 4, 0);
    round_learner_left(log.round, 0, 5);
    round_learner_ready(log.round, 0, 10, 5);
    cr_assert(send_summary(&log, 0, 6, &staleness) == WHOLE_PARK);
    cr_assert(eq(u32, staleness, 1));
    cr_assert(eq(u32, round_n_submitted(log.round), 1));
    round_free(log.round);
}

Test(round_continuous, does_not_wait_for_uploads_under_way_which_count_later)
{
    struct log log;
    start(&log, &buffered);
    round_upload_begun(log.round, 1, true, 1);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    cr_phase(log, ROUND_COMMITTING);
    round_committed(log.round, true, 3);
    uint32_t staleness;
    cr_assert(round_upload_counts(log.round, 1, 1, 1));
    cr_assert(round_upload_whole(log.round, 1, 1, 1, &staleness, 4) == WHOLE_FOLD);
    cr_assert(eq(u32, staleness, 1));
    round_free(log.round);
}

Test(round_continuous, waits_for_what_is_being_folded)
{
    struct log log;
    uint32_t staleness;
    start(&log, &buffered);
    cr_assert(send_summary(&log, 1, 1, &staleness) == WHOLE_FOLD);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    cr_phase(log, ROUND_COLLECTING);
    round_rejected(log.round, 1, false, 3);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round_continuous, refuses_what_is_too_old_and_assigns_its_learner_anew)
{
    struct log log;
    start(&log, &buffered);
    for (int64_t commits = 0; commits < 3; commits++) {
        count_summary(&log, 0, commits, 0);
        count_summary(&log, 2, commits, 0);
        round_committed(log.round, true, commits);
    }
    cr_assert(offer_of(&log, 1, 1) == OFFER_STALE);
    asked(&log);
    round_declined(log.round, 1, 5);
    cr_asked(log, "a");
    cr_number(log, 1, 4);
    cr_assert(offer_of(&log, 1, 1) == OFFER_SUPERSEDED);
    round_free(log.round);
}

Test(round_continuous, rejects_what_has_become_too_old_under_way)
{
    struct log log;
    uint32_t staleness;
    start(&log, &buffered);
    round_upload_begun(log.round, 1, true, 0);
    for (int64_t commits = 0; commits < 3; commits++) {
        count_summary(&log, 0, commits, 0);
        count_summary(&log, 2, commits, 0);
        round_committed(log.round, true, commits);
    }
    cr_assert(round_upload_whole(log.round, 1, 1, 1, &staleness, 5) == WHOLE_STALE);
    cr_assert(eq(u32, staleness, 3));
    asked(&log);
    round_rejected(log.round, 1, false, 5);
    cr_asked(log, "a");
    round_free(log.round);
}

Test(round_continuous, assigns_anew_whose_model_is_gone)
{
    struct log log;
    start(&log, &buffered);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    round_committed(log.round, true, 3);
    asked(&log);
    round_learner_anew(log.round, 1, 4);
    cr_asked(log, "a");
    cr_number(log, 1, 2);
    round_free(log.round);
}

Test(round_continuous, tells_who_comes_back_its_assignment_again)
{
    struct log log;
    start(&log, &buffered);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 2, 0);
    round_committed(log.round, true, 3);
    round_learner_lost(log.round, 1, 4);
    asked(&log);
    round_learner_ready(log.round, 1, 10, 5);
    cr_asked(log, "a");
    cr_number(log, 1, 1);
    round_free(log.round);
}

Test(round_continuous, commits_with_fewer_when_nobody_else_is_awaited)
{
    struct log log;
    start(&log, &buffered);
    round_declined(log.round, 1, 1);
    round_learner_left(log.round, 2, 1);
    count_summary(&log, 0, 2, 0);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round_continuous, fails_when_all_decline)
{
    struct log log;
    start(&log, &buffered);
    for (uint32_t slot = 0; slot < 3; slot++)
        round_declined(log.round, slot, 1);
    cr_phase(log, ROUND_DONE);
    cr_assert(round_outcome(log.round) == ROUND_FAILED);
    round_free(log.round);
}

Test(round_continuous, goes_on_when_learners_join_after_all_have_left)
{
    struct log log;
    start(&log, &buffered);
    for (uint32_t slot = 0; slot < 3; slot++)
        round_learner_left(log.round, slot, 1);
    cr_phase(log, ROUND_COLLECTING);
    asked(&log);
    round_learner_ready(log.round, 1, 10, 2);
    cr_asked(log, "a");
    count_summary(&log, 1, 3, 0);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round_continuous, commits_by_the_clock_with_what_came)
{
    struct log log;
    start(&log, &periodic);
    cr_assert(eq(i64, log.wake_ms, 100));
    count_summary(&log, 0, 10, 0);
    round_tick(log.round, 99);
    cr_phase(log, ROUND_COLLECTING);
    asked(&log);
    round_tick(log.round, 100);
    cr_asked(log, "c");
    round_committed(log.round, true, 101);
    cr_asked(log, "eba"); // the others go on
    count_summary(&log, 1, 110, 1);
    cr_number(log, 1, 2);
    round_free(log.round);
}

Test(round_continuous, past_its_period_waits_for_the_minimum)
{
    struct round_options options = periodic;
    options.minimum = 2;
    struct log log;
    start(&log, &options);
    count_summary(&log, 0, 10, 0);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COLLECTING);
    count_summary(&log, 1, 150, 0);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round_continuous, lets_no_more_train_at_a_time_than_the_fraction)
{
    struct round_options options = buffered;
    options.fraction = 0.3;
    struct log log;
    start(&log, &options);
    cr_asked(log, "ba");
    uint32_t first = 0;
    while (round_slot(log.round, first)->task != TASK_ASSIGNED)
        first++;
    count_summary(&log, first, 1, 0);
    cr_asked(log, "a");
    round_free(log.round);
}

Test(round_continuous, paused_keeps_what_comes_for_later)
{
    struct log log;
    uint32_t staleness;
    start(&log, &buffered);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 1, 0);
    round_pause(log.round, 1);
    round_committed(log.round, true, 2);
    cr_phase(log, ROUND_PAUSED);
    cr_assert(send_summary(&log, 1, 3, &staleness) == WHOLE_PARK);
    asked(&log);
    round_resume(log.round, 4);
    cr_asked(log, "bAaa");
    round_free(log.round);
}

Test(round_continuous, withdraws_everyone_after_the_last_round)
{
    struct round_options options = buffered;
    options.rounds = 1;
    struct log log;
    start(&log, &options);
    count_summary(&log, 0, 1, 0);
    count_summary(&log, 2, 1, 0);
    asked(&log);
    round_committed(log.round, true, 2);
    cr_asked(log, "ew");
    cr_assert(not(round_upload_counts(log.round, 1, 1, 1)));
    round_free(log.round);
}
