#include "round_log.h"

static const struct round_options three = {.seed = 1, .rounds = 2, .n_learners = 3, .fraction = 1};

Test(round, waits_for_all_learners_and_the_model)
{
    struct log log;
    open_log(&log, &three);
    round_learner_ready(log.round, 0, 10, 0);
    round_learner_ready(log.round, 1, 10, 0);
    round_learner_ready(log.round, 2, 10, 0);
    cr_phase(log, ROUND_WAITING);
    round_prepared(log.round, 1);
    cr_phase(log, ROUND_COLLECTING);
    cr_asked(log, "baaa");
    round_free(log.round);
}

Test(round, does_not_start_with_one_missing)
{
    struct log log;
    open_log(&log, &three);
    round_prepared(log.round, 0);
    round_learner_ready(log.round, 0, 10, 0);
    round_learner_ready(log.round, 1, 10, 0);
    round_learner_lost(log.round, 1, 1);
    round_learner_ready(log.round, 2, 10, 2);
    cr_phase(log, ROUND_WAITING);
    round_learner_ready(log.round, 1, 10, 3);
    cr_phase(log, ROUND_COLLECTING);
    round_free(log.round);
}

Test(round, commits_when_everyone_has_submitted_and_completes_after_the_last_evaluation)
{
    struct log log;
    start(&log, &three);
    for (uint32_t number = 1; number <= 2; number++) {
        cr_assert(eq(u32, round_number(log.round), number));
        for (uint32_t slot = 0; slot < 3; slot++)
            submit(&log, slot, number);
        cr_phase(log, ROUND_COMMITTING);
        round_committed(log.round, true, number);
        cr_asked(log, number == 1 ? "baaacebaaa" : "ce");
    }
    cr_phase(log, ROUND_EVALUATING);
    round_evaluated(log.round, 2, false, 9);
    cr_phase(log, ROUND_DONE);
    cr_assert(round_outcome(log.round) == ROUND_COMPLETED);
    round_free(log.round);
}

Test(round, stops_early_when_the_evaluation_decides)
{
    struct round_options options = three;
    options.evaluation_decides = true;
    struct log log;
    start(&log, &options);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 1);
    round_committed(log.round, true, 2);
    cr_phase(log, ROUND_EVALUATING);
    round_evaluated(log.round, 1, true, 3);
    cr_phase(log, ROUND_DONE);
    cr_assert(round_outcome(log.round) == ROUND_STOPPED_EARLY);
    round_free(log.round);
}

Test(round, ignores_an_evaluation_of_an_earlier_round)
{
    struct log log;
    start(&log, &three);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 1);
    round_committed(log.round, true, 2);
    round_evaluated(log.round, 1, true, 3);
    cr_phase(log, ROUND_COLLECTING);
    round_free(log.round);
}

Test(round, commits_at_its_deadline_with_the_minimum_and_withdraws_the_rest)
{
    struct round_options options = three;
    options.deadline_ms = 100;
    options.minimum = 2;
    struct log log;
    start(&log, &options);
    cr_assert(eq(i64, log.wake_ms, 100));
    submit(&log, 0, 10);
    submit(&log, 2, 20);
    round_tick(log.round, 99);
    cr_phase(log, ROUND_COLLECTING);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COMMITTING);
    cr_asked(log, "baaawc");
    round_free(log.round);
}

Test(round, past_its_deadline_commits_as_soon_as_the_minimum_is_there)
{
    struct round_options options = three;
    options.deadline_ms = 100;
    options.minimum = 2;
    struct log log;
    start(&log, &options);
    submit(&log, 0, 10);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COLLECTING);
    submit(&log, 1, 500);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, past_its_deadline_waits_for_uploads_under_way_and_takes_no_new_ones)
{
    struct round_options options = three;
    options.deadline_ms = 100;
    options.minimum = 1;
    struct log log;
    start(&log, &options);
    submit(&log, 0, 10);
    round_upload_begun(log.round, 1, false, 99);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(offer(&log, 2, 101) == OFFER_LATE);
    round_submitted(log.round, 1, 150);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(u32, round_n_submitted(log.round), 2));
    round_free(log.round);
}

// ---- models that stay with the learners

static const struct round_options two_copies =
    {.seed = 1, .rounds = 2, .n_learners = 3, .fraction = 1, .deadline_ms = 100, .copies = 2};

Test(round, past_its_deadline_waits_for_a_second_copy_while_someone_may_bring_it)
{
    struct log log;
    start(&log, &two_copies);
    submit(&log, 0, 10);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COLLECTING);
    round_learner_lost(log.round, 1, 200);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(offer(&log, 2, 201) == OFFER_TAKE);
    submit(&log, 2, 300);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, commits_with_one_copy_when_nobody_else_is_there)
{
    struct log log;
    start(&log, &two_copies);
    submit(&log, 0, 10);
    round_learner_lost(log.round, 1, 50);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COLLECTING);
    round_declined(log.round, 2, 150);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, wants_two_copies_of_whatever_fraction)
{
    struct round_options options = two_copies;
    options.fraction = 0.1;
    struct log log;
    start(&log, &options);
    cr_asked(log, "baa");
    round_free(log.round);
}

Test(round, is_collected_again_when_those_who_submitted_are_lost_before_the_commit)
{
    struct log log;
    start(&log, &two_copies);
    submit(&log, 0, 10);
    submit(&log, 1, 20);
    round_tick(log.round, 100);
    cr_phase(log, ROUND_COMMITTING);
    cr_asked(log, "baaawc");
    round_learner_lost(log.round, 0, 110);
    cr_assert(eq(u32, round_needed(log.round, 1), 2));
    cr_assert(round_collect_again(log.round, 120));
    cr_phase(log, ROUND_COLLECTING);
    cr_asked(log, "baa"); // whoever is there
    cr_assert(eq(u32, round_attempt(log.round), 2));
    cr_assert(eq(i64, log.wake_ms, 220));
    submit(&log, 1, 130);
    submit(&log, 2, 230);
    cr_phase(log, ROUND_COMMITTING);
    round_committed(log.round, true, 240);
    cr_assert(eq(u32, round_number(log.round), 2));
    round_free(log.round);
}

Test(round, is_collected_again_so_many_times_and_no_more)
{
    struct log log;
    start(&log, &two_copies);
    for (int i = 0; i <= ROUND_AGAIN_MAX; i++) {
        for (uint32_t slot = 0; slot < 3; slot++)
            submit(&log, slot, i);
        cr_phase(log, ROUND_COMMITTING);
        cr_assert(round_collect_again(log.round, i) == (i < ROUND_AGAIN_MAX));
    }
    cr_phase(log, ROUND_COMMITTING);
    round_committed(log.round, false, 99);
    cr_assert(round_outcome(log.round) == ROUND_FAILED);
    round_free(log.round);
}

// ---- the end

Test(round, fails_when_the_minimum_cannot_be_reached_any_more)
{
    struct round_options options = three;
    options.minimum = 2;
    struct log log;
    start(&log, &options);
    round_declined(log.round, 0, 1);
    cr_phase(log, ROUND_COLLECTING);
    round_learner_left(log.round, 1, 2);
    cr_phase(log, ROUND_DONE);
    cr_assert(round_outcome(log.round) == ROUND_FAILED);
    cr_asked(log, "baaaw"); // learner 2 alone was still awaited
    round_free(log.round);
}

Test(round, assigns_again_to_a_learner_that_comes_back)
{
    struct log log;
    start(&log, &three);
    round_learner_lost(log.round, 1, 1);
    round_learner_ready(log.round, 1, 10, 2);
    cr_asked(log, "baaaa");
    submit(&log, 1, 3);
    round_learner_lost(log.round, 1, 4);
    round_learner_ready(log.round, 1, 10, 5);
    cr_asked(log, ""); // its summary is safe
    round_free(log.round);
}

Test(round, lets_an_upload_go_on_while_its_learner_comes_back)
{
    struct log log;
    start(&log, &three);
    round_upload_begun(log.round, 1, false, 1);
    round_learner_lost(log.round, 1, 2);
    round_learner_ready(log.round, 1, 10, 3);
    cr_asked(log, "baaa");
    cr_assert(offer(&log, 1, 4) == OFFER_BUSY);
    cr_assert(round_upload_counts(log.round, 1, 1, 1));
    round_submitted(log.round, 1, 5);
    cr_assert(offer(&log, 1, 6) == OFFER_HAVE);
    round_free(log.round);
}

Test(round, asks_again_when_an_upload_breaks_off)
{
    struct log log;
    start(&log, &three);
    round_upload_begun(log.round, 1, false, 1);
    round_upload_broken(log.round, 1, false, 2);
    cr_asked(log, "baaaa");
    cr_assert(offer(&log, 1, 3) == OFFER_TAKE);
    round_free(log.round);
}

Test(round, collects_anew_when_an_upload_spoilt_the_reduction)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    round_upload_begun(log.round, 1, false, 2);
    round_upload_begun(log.round, 2, false, 2);
    round_upload_broken(log.round, 1, true, 3);
    cr_asked(log, "baaabaaa");
    cr_assert(eq(u32, round_attempt(log.round), 2));
    cr_assert(eq(u32, round_n_submitted(log.round), 0));
    cr_assert(not(round_upload_counts(log.round, 2, 1, 1)));
    cr_assert(round_offer(log.round, 0, 1, 1, 4) == OFFER_SUPERSEDED);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 5);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, does_not_ask_anew_who_has_left_since_it_submitted)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    round_learner_left(log.round, 0, 2);
    round_upload_begun(log.round, 1, false, 3);
    round_upload_broken(log.round, 1, true, 4);
    submit(&log, 1, 5);
    submit(&log, 2, 5);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, goes_on_without_a_learner_that_spoils_it_again_and_again)
{
    struct log log;
    start(&log, &three);
    for (unsigned int i = 0; i < ROUND_SPOILT_MAX; i++) {
        round_upload_begun(log.round, 1, false, i);
        round_upload_broken(log.round, 1, true, i);
    }
    cr_assert(offer(&log, 1, 9) == OFFER_NOT_SELECTED);
    submit(&log, 0, 9);
    submit(&log, 2, 9);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(round, waits_for_the_end_of_an_upload_whose_learner_left)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    submit(&log, 1, 1);
    round_upload_begun(log.round, 2, false, 2);
    round_learner_left(log.round, 2, 3);
    cr_phase(log, ROUND_COLLECTING); // parts of it may be in the reduction
    round_upload_broken(log.round, 2, false, 4);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(u32, round_n_submitted(log.round), 2));
    round_free(log.round);
}

Test(round, counts_the_whole_summary_of_a_learner_that_left)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    submit(&log, 1, 1);
    round_upload_begun(log.round, 2, false, 2);
    round_declined(log.round, 2, 3);
    round_submitted(log.round, 2, 4);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(u32, round_n_submitted(log.round), 3));
    round_free(log.round);
}

Test(round, goes_on_without_a_learner_whose_summary_is_unfit)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    submit(&log, 1, 1);
    round_upload_begun(log.round, 2, false, 2);
    round_rejected(log.round, 2, false, 3);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(u32, round_n_submitted(log.round), 2));
    round_free(log.round);
}

Test(round, pauses_between_rounds_and_goes_on)
{
    struct log log;
    start(&log, &three);
    round_pause(log.round, 1);
    cr_phase(log, ROUND_COLLECTING);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 2);
    round_committed(log.round, true, 3);
    cr_phase(log, ROUND_PAUSED);
    round_resume(log.round, 4);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(eq(u32, round_number(log.round), 2));
    round_free(log.round);
}

Test(round, paused_before_the_first_round_starts_none)
{
    struct log log;
    open_log(&log, &three);
    round_pause(log.round, 0);
    round_prepared(log.round, 0);
    for (uint32_t slot = 0; slot < 3; slot++)
        round_learner_ready(log.round, slot, 10, 0);
    cr_phase(log, ROUND_PAUSED);
    round_resume(log.round, 1);
    cr_phase(log, ROUND_COLLECTING);
    round_free(log.round);
}

Test(round, waits_again_when_too_few_members_are_left_for_a_round)
{
    struct round_options options = three;
    options.minimum = 3;
    struct log log;
    start(&log, &options);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 1);
    round_learner_left(log.round, 0, 2);
    round_committed(log.round, true, 3);
    cr_phase(log, ROUND_WAITING);
    round_learner_ready(log.round, 0, 10, 4);
    cr_phase(log, ROUND_COLLECTING);
    round_free(log.round);
}

Test(round, fails_when_a_commit_cannot_be_stored)
{
    struct log log;
    start(&log, &three);
    for (uint32_t slot = 0; slot < 3; slot++)
        submit(&log, slot, 1);
    round_committed(log.round, false, 2);
    cr_phase(log, ROUND_DONE);
    cr_assert(round_outcome(log.round) == ROUND_FAILED);
    round_free(log.round);
}

Test(round, cancelled_withdraws_who_is_awaited_and_asks_nothing_more)
{
    struct log log;
    start(&log, &three);
    submit(&log, 0, 1);
    round_upload_begun(log.round, 1, false, 1);
    asked(&log);
    round_cancel(log.round, 2);
    cr_asked(log, "ww");
    cr_assert(round_outcome(log.round) == ROUND_CANCELLED);
    cr_assert(not(round_upload_counts(log.round, 1, 1, 1)));
    round_learner_ready(log.round, 2, 10, 3);
    round_tick(log.round, 4);
    round_resume(log.round, 5);
    round_fail(log.round, 6);
    cr_asked(log, "");
    cr_assert(round_outcome(log.round) == ROUND_CANCELLED);
    round_free(log.round);
}

Test(round, selects_the_fraction_rounded_up_but_at_least_the_minimum)
{
    struct round_options options = three;
    options.n_learners = 10;
    options.fraction = 0.21;
    struct log log;
    start(&log, &options);
    cr_assert(eq(u32, round_n_selected(log.round), 3));
    round_free(log.round);
    options.minimum = 5;
    start(&log, &options);
    cr_assert(eq(u32, round_n_selected(log.round), 5));
    round_free(log.round);
}

Test(round, takes_the_mean_weight_of_the_selected_as_unit)
{
    struct log log;
    open_log(&log, &three);
    round_prepared(log.round, 0);
    round_learner_ready(log.round, 0, 5, 0);
    round_learner_ready(log.round, 1, 10, 0);
    round_learner_ready(log.round, 2, 30, 0);
    cr_assert(eq(u64, round_weight_unit(log.round), 15));
    round_learner_ready(log.round, 2, 300, 1); // other data than before count from the next round on
    cr_assert(eq(u64, round_weight_unit(log.round), 15));
    round_free(log.round);
}

// ---- more learners than are wanted ------------------------------------------------------------------------

static const struct round_options eager = {.seed = 1,
                                           .rounds = 2,
                                           .n_learners = 6,
                                           .fraction = 0.5,
                                           .over_selection = 1.5};

static uint32_t selected(const struct log *log, uint32_t nth)
{
    for (uint32_t slot = 0;; slot++)
        if (round_slot(log->round, slot)->task != TASK_NONE && nth-- == 0)
            return slot;
}

Test(round, over_selected_commits_with_the_first_and_withdraws_the_rest)
{
    struct log log;
    start(&log, &eager);
    cr_assert(eq(u32, round_n_selected(log.round), 5));
    cr_assert(eq(u32, round_n_wanted(log.round), 3));
    asked(&log);
    submit(&log, selected(&log, 4), 1);
    submit(&log, selected(&log, 0), 1);
    cr_asked(log, "");
    submit(&log, selected(&log, 2), 1);
    cr_asked(log, "wwc");
    cr_assert(eq(u32, round_n_submitted(log.round), 3));
    round_free(log.round);
}

Test(round, over_selected_does_not_wait_for_an_upload_that_is_held)
{
    struct log log;
    start(&log, &eager);
    uint32_t late = selected(&log, 1), staleness = 7;
    round_upload_begun(log.round, late, true, 1);
    submit(&log, selected(&log, 0), 1);
    submit(&log, selected(&log, 2), 1);
    submit(&log, selected(&log, 3), 1);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(int, round_upload_whole(log.round, late, 1, 1, &staleness, 2), WHOLE_VOID));
    round_free(log.round);
}

Test(round, over_selected_waits_for_what_is_being_folded)
{
    struct log log;
    start(&log, &eager);
    uint32_t late = selected(&log, 1), staleness = 7;
    round_upload_begun(log.round, late, true, 1);
    cr_assert(eq(int, round_upload_whole(log.round, late, 1, 1, &staleness, 1), WHOLE_FOLD));
    cr_assert(eq(u32, staleness, 0));
    submit(&log, selected(&log, 0), 1);
    submit(&log, selected(&log, 2), 1);
    submit(&log, selected(&log, 3), 1);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(offer(&log, selected(&log, 4), 2) == OFFER_LATE);
    round_submitted(log.round, late, 2);
    cr_phase(log, ROUND_COMMITTING);
    cr_assert(eq(u32, round_n_submitted(log.round), 4));
    round_free(log.round);
}

Test(round, over_selected_makes_up_for_who_fails)
{
    struct log log;
    start(&log, &eager);
    for (uint32_t i = 0; i < 3; i++)
        round_declined(log.round, selected(&log, i), 1);
    cr_phase(log, ROUND_COLLECTING);
    submit(&log, selected(&log, 3), 1);
    submit(&log, selected(&log, 4), 1);
    cr_phase(log, ROUND_COMMITTING); // nobody else is left
    round_free(log.round);
}

Test(round, begins_with_as_many_as_it_is_told_and_takes_who_joins_later)
{
    struct round_options options = three;
    options.start_with = 2;
    struct log log;
    open_log(&log, &options);
    round_prepared(log.round, 0);
    round_learner_ready(log.round, 2, 10, 0);
    cr_phase(log, ROUND_WAITING);
    round_learner_ready(log.round, 0, 10, 0);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(eq(u32, round_n_selected(log.round), 2));
    round_learner_ready(log.round, 1, 10, 1);
    submit(&log, 0, 2);
    submit(&log, 2, 2);
    round_committed(log.round, true, 3);
    cr_assert(eq(u32, round_n_selected(log.round), 3));
    round_free(log.round);
}

Test(round, tells_who_lost_its_assignment_again)
{
    struct log log;
    start(&log, &three);
    asked(&log);
    round_learner_anew(log.round, 1, 1);
    cr_asked(log, "a");
    round_free(log.round);
}
