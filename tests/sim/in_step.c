// Synchronous rounds: whoever was selected trains from the same model, and a commit ends it for all.
#include "coordinator/select.h"
#include "world.h"

// ---- what the round asks for ----------------------------------------------------------------------------

static void begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct world *world = user;
    world_begin(user, number, n_selected, weight_unit);
    if (round_attempt(world->round) != 1)
        return;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        world->member_at_begin[i] = world->learners[i].attends;
}

static void assign(void *user, uint32_t slot, uint32_t number, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms)
{
    struct world *world = user;
    const struct upload *upload = &world->learners[slot].upload;
    (void)weight_unit;
    check(world, !upload->under_way || upload->attempt != attempt || upload->number != number,
          "nobody is assigned during its upload of that attempt");
    check(world, world->options.deadline_ms ? left_ms > 0 : left_ms == 0, "time left is told");
    world_send_assignment(world, slot, number, attempt);
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    (void)slot, (void)staleness;
    check(user, false, "in step, nothing is parked");
}

static void commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct world *world = user;
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++) {
        check(world, world->counted[i] <= 1, "no summary is counted twice");
        check(world, world->pieces[i] == 0, "no piece of a summary is committed");
        check(world, (world->counted[i] == 1) == (round_slot(world->round, i)->task == TASK_SUBMITTED),
              "what is reduced is what was submitted");
        n += world->counted[i];
    }
    check(world, n == n_summaries, "all that was submitted is reduced");
    world_commit(user, number, n_summaries);
}

static const struct round_operations operations = {
    begin, assign, world_withdraw, admit, commit, world_evaluate, world_changed, world_wake_at,
};

// ---- learners -------------------------------------------------------------------------------------------

static void train_later(struct world *world, int64_t in_ms, uint32_t slot, const struct learner *learner)
{
    later(world, in_ms,
          (struct event){.kind = TRAINED,
                         .slot = slot,
                         .number = learner->number,
                         .attempt = learner->attempt,
                         .tag = learner->life});
}

static void assigned(struct world *world, const struct event *event, struct learner *learner)
{
    int64_t ms = learner->trained == event->number ? 0 : between(world, 1, trouble(world, 0.2) ? 2000 : 40);
    train_later(world, ms, event->slot, learner);
}

static void trained(struct world *world, const struct event *event, struct learner *learner)
{
    if (event->attempt != learner->attempt)
        return;
    enum round_offer offer =
        round_offer(world->round, event->slot, learner->number, learner->attempt, now(world));
    if (offer == OFFER_BUSY || offer == OFFER_SUPERSEDED) {
        train_later(world, between(world, 5, 20), event->slot, learner);
        return;
    }
    if (offer != OFFER_TAKE) {
        learner->assigned = false;
        return;
    }
    check(world, !learner->upload.under_way || learner->upload.generation != world->generation,
          "a slot has one upload at a time");
    world_begin_upload(world, event->slot, chance(world, 0.5));
}

// A summary that is whole was folded; what the reduction holds of it counts from now on.
static void folded(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    upload->under_way = upload->folding = false;
    if (upload->generation == world->generation) {
        world->pieces[slot] -= upload->streams;
        world->counted[slot]++;
    }
    if (!world_upload_counts(world, slot))
        return;
    check(world, upload->generation == world->generation, "what counts is in the reduction");
    learner->assigned = learner->assigned && learner->attempt != upload->attempt;
    round_submitted(world->round, slot, now(world));
}

static void begin_fold(struct world *world, uint32_t slot, struct upload *upload)
{
    uint32_t staleness = 1;
    enum round_whole whole =
        round_upload_whole(world->round, slot, upload->number, upload->attempt, &staleness, now(world));
    check(world, staleness == 0, "in step, no summary is stale");
    check(world, whole == WHOLE_VOID || whole == WHOLE_FOLD, "in step, a summary counts now or never");
    if (whole == WHOLE_FOLD)
        world_fold(world, slot);
    else
        upload->under_way = false;
}

// What job_upload_end and the ingest do together.
static void upload_ends(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    bool current = upload->generation == world->generation, counts = world_upload_counts(world, slot);
    bool spoilt = upload->streams && current && upload->ending != ENDS_WHOLE;
    tell(world, "upload of %u ends: %d%s%s", slot, upload->ending, counts ? "" : " (does not count)",
         spoilt ? " (spoilt)" : "");
    check(world, !spoilt || counts || world->done || world->committing,
          "what spoils a reduction under way is told to the round");
    check(world, !current || counts || world->done || !upload->streams,
          "an upload that is in the reduction under way counts");
    if (upload->ending == ENDS_WHOLE) {
        begin_fold(world, slot, upload);
        return;
    }
    upload->under_way = false;
    if (!counts)
        return;
    if (upload->ending == ENDS_UNFIT) {
        learner->assigned = false;
        round_rejected(world->round, slot, spoilt, now(world));
    } else {
        round_upload_broken(world->round, slot, spoilt, now(world));
    }
}

// ---- what always holds ----------------------------------------------------------------------------------

static void check_selection(struct world *world)
{
    uint32_t members[SLOTS_MAX], n = 0, n_selected = round_n_selected(world->round), found = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        if (world->member_at_begin[i])
            members[n++] = i;
    select_uniform(world->options.seed, world->begun, members, n, n_selected);
    for (uint32_t i = 0; i < n_selected; i++)
        found += round_slot(world->round, members[i])->task != TASK_NONE;
    check(world, n_selected >= round_n_wanted(world->round), "at least who is wanted is selected");
    check(world, found == n_selected, "who is selected follows from seed, round and members");
}

static void check_collecting(struct world *world)
{
    uint32_t submitted = 0, failed = 0, uploading = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++) {
        const struct slot *slot = round_slot(world->round, i);
        submitted += slot->task == TASK_SUBMITTED;
        failed += slot->task == TASK_FAILED;
        uploading += slot->task == TASK_UPLOADING;
        check(world,
              slot->task != TASK_UPLOADING || world->learners[i].upload.generation == world->generation,
              "who counts as uploading does so into this reduction");
        check(world, slot->task != TASK_ASSIGNED || slot->number == round_number(world->round),
              "who is awaited is in the present round");
    }
    check(world, submitted == round_n_submitted(world->round), "submitted summaries are counted");
    uint32_t possible = round_n_selected(world->round) - failed;
    check(world, submitted < possible, "a round with everything in hand commits");
    check(world, uploading || submitted < round_n_wanted(world->round),
          "a round with enough in hand commits");
    check(world, possible >= round_minimum(world->round), "a round that cannot reach its minimum ends");
    check(world,
          uploading || submitted < round_needed(world->round, submitted) ||
              now(world) <= round_deadline(world->round),
          "past the deadline, a round with its minimum commits");
    check_selection(world);
}

static void check_in_step(struct world *world)
{
    if (round_phase(world->round) == ROUND_COLLECTING)
        check_collecting(world);
}

static void choose(struct world *world, struct round_options *options)
{
    options->rounds = (uint32_t)between(world, 1, 25);
    options->minimum = (uint32_t)between(world, 0, options->n_learners);
    options->over_selection = chance(world, 0.6) ? 1 : 1 + 2 * random_double(&world->random);
    options->deadline_ms = chance(world, 0.3) ? 0 : between(world, 20, 400);
    options->evaluation_decides = chance(world, 0.4);
    options->copies = chance(world, 0.7) ? 0 : (uint32_t)between(world, 1, 3);
}

const struct world_schedule in_step = {
    .choose = choose,
    .operations = &operations,
    .assigned = assigned,
    .trained = trained,
    .upload_ends = upload_ends,
    .folded = folded,
    .check = check_in_step,
};
