// Continuous schedules: learners that train on while rounds are committed.
#include "world.h"
#include <math.h>

static bool busy(const struct world *world, uint32_t slot)
{
    enum slot_task task = round_slot(world->round, slot)->task;
    return task == TASK_ASSIGNED || task == TASK_UPLOADING || task == TASK_PARKED;
}

// ---- what the round asks for ----------------------------------------------------------------------------

static void begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct world *world = user;
    check(world, round_attempt(world->round) == 1, "nothing is collected again");
    world_begin(user, number, n_selected, weight_unit);
}

static void assign(void *user, uint32_t slot, uint32_t number, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms)
{
    struct world *world = user;
    (void)weight_unit, (void)left_ms;
    check(world, number == round_slot(world->round, slot)->number, "an assignment is the slot's");
    check(world, number <= world->last_committed + 1, "nobody starts from a model that is not there yet");
    world_send_assignment(world, slot, number, attempt);
}

static void fold(struct world *world, uint32_t slot, uint32_t staleness)
{
    const struct upload *upload = &world->learners[slot].upload;
    check(world, !world->counted[slot], "a learner counts once in a round");
    check(world, staleness == round_number(world->round) - upload->number, "staleness is commits since");
    check(world, staleness <= world->options.max_staleness, "what is too old does not count");
    world->n_stale += staleness > 0;
    world_fold(world, slot);
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    struct world *world = user;
    tell(world, "admit %u's, %u commits old", slot, staleness);
    check(world, world->learners[slot].upload.parked, "what is admitted was parked");
    world->learners[slot].upload.parked = false;
    fold(world, slot, staleness);
}

static void commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct world *world = user;
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++) {
        n += world->counted[i];
        check(world, world->counted[i] == round_slot(world->round, i)->counted, "what counts is known");
        check(world, !world->learners[i].upload.folding, "nothing is folded into what is committed");
    }
    check(world, n == n_summaries, "all that was submitted is reduced");
    world_commit(user, number, n_summaries);
}

static const struct round_operations operations = {
    begin, assign, world_withdraw, admit, commit, world_evaluate, world_changed, world_wake_at,
};

// ---- learners -------------------------------------------------------------------------------------------

static void assigned(struct world *world, const struct event *event, struct learner *learner)
{
    later(
        world, between(world, 0, 8),
        (struct event){.kind = FETCHED, .slot = event->slot, .number = event->number, .tag = learner->life});
}

// Only the present model can be fetched.
static void fetched(struct world *world, const struct event *event, struct learner *learner)
{
    int64_t ms = between(world, 1, 40) * learner->slowness;
    if (learner->trained == event->number) {
        ms = 0;
    } else if (event->number != world->last_committed + 1) {
        tell(world, "%u finds round %u's model gone", event->slot, event->number - 1);
        learner->assigned = false;
        round_learner_anew(world->round, event->slot, now(world));
        return;
    }
    later(
        world, ms,
        (struct event){.kind = TRAINED, .slot = event->slot, .number = event->number, .tag = learner->life});
}

static void trained(struct world *world, const struct event *event, struct learner *learner)
{
    enum round_offer offer = round_offer(world->round, event->slot, event->number, 1, now(world));
    if (offer == OFFER_BUSY) {
        later(world, between(world, 5, 20), *event);
        return;
    }
    if (offer != OFFER_TAKE)
        learner->assigned = false;
    if (offer == OFFER_STALE)
        round_declined(world->round, event->slot, now(world));
    if (offer != OFFER_TAKE)
        return;
    check(world, !learner->upload.under_way && !learner->upload.parked, "a slot has one upload at a time");
    world_begin_upload(world, event->slot, false);
}

static void upload_ends(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    uint32_t staleness = 0;
    upload->under_way = false;
    if (upload->ending == ENDS_BROKEN) {
        if (world_upload_counts(world, slot))
            round_upload_broken(world->round, slot, false, now(world));
        return;
    }
    if (learner->number == upload->number)
        learner->assigned = false;
    upload->parked = true; // a commit may follow at once, and admit what was just parked
    enum round_whole whole =
        round_upload_whole(world->round, slot, upload->number, 1, &staleness, now(world));
    tell(world, "upload of %u is whole: %d", slot, whole);
    if (whole == WHOLE_PARK)
        return;
    upload->parked = false;
    if (whole == WHOLE_STALE)
        round_rejected(world->round, slot, false, now(world));
    else if (whole == WHOLE_FOLD)
        fold(world, slot, staleness);
}

static void folded(struct world *world, uint32_t slot, struct learner *learner)
{
    learner->upload.under_way = learner->upload.folding = false;
    if (world->done)
        return;
    check(world, round_phase(world->round) == ROUND_COLLECTING, "a commit waits for what is being folded");
    check(world, world_upload_counts(world, slot), "what is folded counts");
    if (learner->upload.ending == ENDS_UNFIT) {
        round_rejected(world->round, slot, false, now(world));
        return;
    }
    world->counted[slot]++;
    round_submitted(world->round, slot, now(world));
}

// ---- what always holds ----------------------------------------------------------------------------------

static uint32_t n_places(const struct world *world)
{
    uint32_t n_members = 0, least = round_minimum(world->round);
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        n_members += world->learners[i].attends;
    uint32_t n = (uint32_t)ceil(world->options.fraction * n_members - 1e-9);
    return n < least ? least : n;
}

static uint32_t n_taken(const struct world *world)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        n += (busy(world, i) && !world->learners[i].upload.parked) ||
             (world->counted[i] && !world->options.refills);
    return n;
}

static void check_slot(struct world *world, uint32_t i, bool free_places)
{
    const struct slot *slot = round_slot(world->round, i);
    const struct learner *learner = &world->learners[i];
    bool collecting = round_phase(world->round) == ROUND_COLLECTING;
    check(world,
          (slot->task == TASK_PARKED) == learner->upload.parked ||
              (round_phase(world->round) == ROUND_EVALUATING &&
               round_number(world->round) == world->options.rounds),
          "what is parked is kept for the next round, if there is one");
    check(world,
          !collecting || !free_places || !learner->connected || busy(world, i) ||
              slot->number == round_number(world->round),
          "nobody waits who may start from the present model");
}

static void check_continuous(struct world *world)
{
    bool folding = false;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        folding |= world->learners[i].upload.folding;
    bool free_places = !folding && n_taken(world) < n_places(world); // a commit may wait for a fold
    for (uint32_t i = 0; i < world->options.n_learners && !world->done; i++)
        check_slot(world, i, free_places);
    if (round_phase(world->round) != ROUND_COLLECTING || folding)
        return;
    uint32_t n = round_n_submitted(world->round);
    check(world, !world->options.target || n < world->options.target, "a full buffer is committed");
    check(world, n < round_minimum(world->round) || now(world) <= round_deadline(world->round),
          "past the deadline, a round with its minimum commits");
}

static void choose(struct world *world, struct round_options *options)
{
    bool semi = chance(world, 0.4);
    uint32_t n = options->n_learners;
    options->rounds = (uint32_t)between(world, 1, 60);
    options->minimum = chance(world, 0.5) ? 0 : (uint32_t)between(world, 1, n);
    options->over_selection = 1;
    options->deadline_ms = semi ? between(world, 10, 200) : chance(world, 0.5) ? 0 : between(world, 20, 400);
    options->evaluation_decides = chance(world, 0.3);
    options->continuous = true;
    options->refills = !semi;
    options->max_staleness = chance(world, 0.3) ? random_below(&world->random, 3) : 10;
    if (!semi)
        options->target = (uint32_t)between(world, options->minimum ? options->minimum : 1, n);
    for (uint32_t i = 0; i < n; i++)
        world->learners[i].slowness = chance(world, 0.2) ? 10 : 1;
}

const struct world_schedule continuous = {
    .choose = choose,
    .operations = &operations,
    .assigned = assigned,
    .fetched = fetched,
    .trained = trained,
    .upload_ends = upload_ends,
    .folded = folded,
    .check = check_continuous,
};
