// Uploads that break off and go on, as the round machine sees them.
#include "round_log.h"

static const struct round_options two = {.seed = 1, .rounds = 1, .n_learners = 2, .fraction = 1};

Test(kept, a_paused_upload_is_waited_for_and_goes_on)
{
    struct log log;
    start(&log, &two);
    submit(&log, 0, 1);
    round_upload_begun(log.round, 1, false, 2);
    cr_assert(offer(&log, 1, 2) == OFFER_BUSY);
    round_upload_paused(log.round, 1, 3);
    cr_phase(log, ROUND_COLLECTING);
    cr_assert(offer(&log, 1, 3) == OFFER_TAKE);
    round_upload_resumed(log.round, 1, 3);
    cr_assert(offer(&log, 1, 4) == OFFER_BUSY);
    cr_assert(round_upload_counts(log.round, 1, 1, 1));
    cr_asked(log, "baa");
    round_submitted(log.round, 1, 5);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

Test(kept, whoever_comes_back_to_a_paused_upload_is_told_of_the_round)
{
    struct log log;
    start(&log, &two);
    round_upload_begun(log.round, 1, false, 2);
    round_upload_paused(log.round, 1, 3);
    round_learner_lost(log.round, 1, 3);
    cr_asked(log, "baa");
    round_learner_ready(log.round, 1, 10, 4);
    cr_asked(log, "a");
    cr_assert(round_slot(log.round, 1)->task == TASK_UPLOADING);
    round_free(log.round);
}

Test(kept, a_paused_upload_that_is_given_up_starts_the_collection_over)
{
    struct log log;
    start(&log, &two);
    submit(&log, 0, 1);
    round_upload_begun(log.round, 1, false, 2);
    round_upload_paused(log.round, 1, 3);
    round_upload_broken(log.round, 1, true, 3);
    cr_asked(log, "baabaa");
    cr_assert(round_attempt(log.round) == 2 && !round_slot(log.round, 1)->paused);
    submit(&log, 0, 4);
    submit(&log, 1, 4);
    cr_phase(log, ROUND_COMMITTING);
    round_free(log.round);
}

// A killed learner's successor may be ready before the transport tells that the upload broke off.
Test(kept, who_is_ready_while_an_upload_stands_is_told_once_it_is_cut_short)
{
    struct log log;
    start(&log, &two);
    round_upload_begun(log.round, 0, false, 1);
    round_learner_lost(log.round, 0, 2);
    cr_asked(log, "baa");
    round_learner_ready(log.round, 0, 10, 3);
    cr_asked(log, "");
    round_upload_paused(log.round, 0, 4);
    cr_asked(log, "a");
    round_upload_resumed(log.round, 0, 5);
    round_upload_paused(log.round, 0, 6); // by the same process, which goes on by itself
    cr_asked(log, "");
    round_free(log.round);
}
