// Continuous schedules: learners that train on while rounds are committed.
#include "agenda.h"
#include "base/memory.h"
#include "base/philox.h"
#include "coordinator/round.h"
#include "world.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS_MAX = 9, QUIET_MS = 20000, END_MS = 400000 };

enum ending { ENDS_WHOLE, ENDS_BROKEN, ENDS_UNFIT };

struct upload {
    bool under_way, folding, parked;
    uint32_t number;
    uint64_t id;
    enum ending ending;
};

struct learner {
    bool connected, attends;
    uint64_t life;              // counts connections: messages of an older one are lost
    uint32_t assigned, trained; // rounds; 0: none
    uint32_t sent;              // the last assignment over this connection
    uint32_t slowness;
    struct upload upload;
};

struct world {
    struct random random;
    struct round_options options;
    struct round *round;
    struct learner learners[SLOTS_MAX];
    struct agenda agenda;
    uint64_t n_uploads, tick, steps, n_counted_ever, n_stale;
    bool verbose, quiet, done, committing;
    double trouble;
    bool counted[SLOTS_MAX];
    uint32_t last_committed;
    const char *fault;
};

static void check(struct world *world, bool holds, const char *sentence)
{
    if (!holds && !world->fault)
        world->fault = sentence;
}

static void tell(const struct world *world, const char *format, ...)
{
    if (!world->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%7lld ", (long long)world->agenda.now_ms);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

static int64_t between(struct world *world, uint32_t least, uint32_t most)
{
    return least + random_below(&world->random, most - least + 1);
}

static bool chance(struct world *world, double p)
{
    return random_double(&world->random) < p;
}

static bool trouble(struct world *world, double p)
{
    bool hit = chance(world, p * world->trouble);
    return hit && !world->quiet;
}

static void later(struct world *world, int64_t in_ms, struct event event)
{
    check(world, agenda_add(&world->agenda, in_ms, event), "there are never thousands of events waiting");
}

static int64_t now(const struct world *world)
{
    return world->agenda.now_ms;
}

// ---- what the machine asks for --------------------------------------------------------------------------

static void begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct world *world = user;
    tell(world, "round %u begins, %u places", number, n_selected);
    check(world, !world->done && !world->committing, "a round begins between commits");
    check(world, weight_unit > 0, "a weight unit is positive");
    check(world, number == world->last_committed + 1, "a round follows the last committed one");
    check(world, round_attempt(world->round) == 1, "nothing is collected again");
    memset(world->counted, 0, sizeof world->counted);
}

static uint32_t n_members(const struct world *world)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        n += world->learners[i].attends;
    return n;
}

static uint32_t n_places(const struct world *world)
{
    uint32_t n = (uint32_t)ceil(world->options.fraction * n_members(world) - 1e-9),
             least = round_minimum(world->round);
    return n < least ? least : n;
}

static bool busy(const struct world *world, uint32_t slot)
{
    enum slot_task task = round_slot(world->round, slot)->task;
    return task == TASK_ASSIGNED || task == TASK_UPLOADING || task == TASK_PARKED;
}

static uint32_t n_taken(const struct world *world)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        n += (busy(world, i) && !world->learners[i].upload.parked) ||
             (world->counted[i] && !world->options.refills);
    return n;
}

static void assign(void *user, uint32_t slot, uint32_t number, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms)
{
    struct world *world = user;
    struct learner *learner = &world->learners[slot];
    (void)attempt, (void)weight_unit, (void)left_ms;
    tell(world, "assign %u: round %u", slot, number);
    check(world, !world->done, "nothing is asked after the end");
    check(world, learner->connected, "only who is connected is assigned");
    check(world, number == round_slot(world->round, slot)->number, "an assignment is the slot's");
    check(world, number <= world->last_committed + 1, "nobody starts from a model that is not there yet");
    later(world, between(world, 0, 5),
          (struct event){.kind = GOT_ASSIGNMENT, .slot = slot, .number = number, .tag = learner->life});
    learner->sent = number;
}

static void withdraw(void *user, uint32_t slot, uint32_t number)
{
    struct world *world = user;
    check(world, !world->done, "nothing is asked after the end");
    if (world->learners[slot].assigned == number)
        world->learners[slot].assigned = 0;
}

static void fold(struct world *world, uint32_t slot, uint32_t staleness)
{
    struct upload *upload = &world->learners[slot].upload;
    check(world, !world->counted[slot], "a learner counts once in a round");
    check(world, staleness == round_number(world->round) - upload->number, "staleness is commits since");
    check(world, staleness <= world->options.max_staleness, "what is too old does not count");
    world->n_stale += staleness > 0;
    upload->folding = true;
    later(world, between(world, 0, 3), (struct event){.kind = FOLDED, .slot = slot, .tag = upload->id});
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    struct world *world = user;
    tell(world, "admit %u's, %u commits old", slot, staleness);
    check(world, world->learners[slot].upload.parked, "what is admitted was parked");
    world->learners[slot].upload.parked = false;
    world->learners[slot].upload.under_way = true;
    fold(world, slot, staleness);
}

static void commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct world *world = user;
    uint32_t n = 0;
    tell(world, "commit round %u with %u", number, n_summaries);
    check(world, !world->done && !world->committing, "one commit at a time");
    check(world, n_summaries >= 1 && n_summaries >= world->options.minimum, "no commit below the minimum");
    for (uint32_t i = 0; i < world->options.n_learners; i++) {
        n += world->counted[i];
        check(world, world->counted[i] == round_slot(world->round, i)->counted, "what counts is known");
        check(world, !world->learners[i].upload.folding, "nothing is folded into what is committed");
    }
    check(world, n == n_summaries, "all that was submitted is reduced");
    world->committing = true;
    later(world, between(world, 0, 30),
          (struct event){.kind = COMMITTED, .number = number, .good = !trouble(world, 0.001)});
}

static void evaluate(void *user, uint32_t number)
{
    struct world *world = user;
    bool stop = world->options.evaluation_decides && chance(world, 0.02);
    check(world, !world->done && number == world->last_committed, "the committed round is evaluated");
    if (chance(world, 0.3))
        round_evaluated(world->round, number, stop, now(world));
    else
        later(world, between(world, 0, 20),
              (struct event){.kind = EVALUATED, .number = number, .good = !stop});
}

static void changed(void *user, enum round_phase phase)
{
    struct world *world = user;
    tell(world, "phase %d", phase);
    check(world, !world->done, "the end is the end");
    world->done = phase == ROUND_DONE;
}

static void wake_at(void *user, int64_t at_ms)
{
    struct world *world = user;
    world->tick++;
    if (at_ms != INT64_MAX)
        later(world, at_ms > now(world) ? at_ms - now(world) : 0,
              (struct event){.kind = TICK, .tag = world->tick});
}

static const struct round_operations operations = {begin,  assign,   withdraw, admit,
                                                   commit, evaluate, changed,  wake_at};

// ---- learners -------------------------------------------------------------------------------------------

static void got_assignment(struct world *world, const struct event *event, struct learner *learner)
{
    bool again = learner->assigned == event->number && learner->trained != event->number;
    if (event->tag != learner->life || again)
        return;
    learner->assigned = event->number;
    if (trouble(world, 0.03))
        later(world, 1,
              (struct event){.kind = LEARNER_DECLINES, .slot = event->slot, .number = event->number});
    else
        later(world, between(world, 0, 8),
              (struct event){
                  .kind = FETCHED, .slot = event->slot, .number = event->number, .tag = learner->life});
}

// Only the present model can be fetched.
static void fetched(struct world *world, const struct event *event, struct learner *learner)
{
    int64_t ms = between(world, 1, 40) * learner->slowness;
    if (learner->trained == event->number) {
        ms = 0;
    } else if (event->number != world->last_committed + 1) {
        tell(world, "%u finds round %u's model gone", event->slot, event->number - 1);
        learner->assigned = 0;
        round_learner_anew(world->round, event->slot, now(world));
        return;
    }
    later(
        world, ms,
        (struct event){.kind = TRAINED, .slot = event->slot, .number = event->number, .tag = learner->life});
}

static void begin_upload(struct world *world, const struct event *event, struct learner *learner)
{
    enum round_offer offer = round_offer(world->round, event->slot, event->number, 1, now(world));
    if (offer == OFFER_BUSY) {
        later(world, between(world, 5, 20), *event);
        return;
    }
    if (offer != OFFER_TAKE)
        learner->assigned = 0;
    if (offer == OFFER_STALE)
        round_declined(world->round, event->slot, now(world));
    if (offer != OFFER_TAKE)
        return;
    check(world, !learner->upload.under_way && !learner->upload.parked, "a slot has one upload at a time");
    learner->upload = (struct upload){
        .under_way = true,
        .number = event->number,
        .id = ++world->n_uploads,
        .ending = trouble(world, 0.2)    ? ENDS_BROKEN
                  : trouble(world, 0.04) ? ENDS_UNFIT
                                         : ENDS_WHOLE,
    };
    round_upload_begun(world->round, event->slot, true, now(world));
    later(world, between(world, 0, 30),
          (struct event){.kind = UPLOAD_ENDS, .slot = event->slot, .tag = learner->upload.id});
}

static void end_upload(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    uint32_t staleness = 0;
    if (upload->ending == ENDS_BROKEN) {
        upload->under_way = false;
        if (round_upload_counts(world->round, slot, upload->number, 1))
            round_upload_broken(world->round, slot, false, now(world));
        return;
    }
    if (learner->assigned == upload->number)
        learner->assigned = 0;
    // A commit may follow at once, and admit what was just parked.
    upload->parked = true;
    upload->under_way = false;
    enum round_whole whole =
        round_upload_whole(world->round, slot, upload->number, 1, &staleness, now(world));
    tell(world, "upload of %u is whole: %d", slot, whole);
    if (whole == WHOLE_PARK)
        return;
    upload->parked = false;
    if (whole == WHOLE_STALE) {
        round_rejected(world->round, slot, false, now(world));
    } else if (whole == WHOLE_FOLD) {
        upload->under_way = true;
        fold(world, slot, staleness);
    }
}

static void end_fold(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    upload->under_way = upload->folding = false;
    if (world->done)
        return;
    check(world, round_phase(world->round) == ROUND_COLLECTING, "a commit waits for what is being folded");
    check(world, round_upload_counts(world->round, slot, upload->number, 1), "what is folded counts");
    if (upload->ending == ENDS_UNFIT) {
        round_rejected(world->round, slot, false, now(world));
        return;
    }
    world->counted[slot] = true;
    world->n_counted_ever++;
    round_submitted(world->round, slot, now(world));
}

static void come(struct world *world, uint32_t slot, struct learner *learner)
{
    if (learner->connected)
        return;
    tell(world, "%u comes", slot);
    learner->connected = learner->attends = true;
    learner->life++;
    learner->sent = learner->assigned = 0;
    if (trouble(world, 0.5))
        learner->trained = 0; // it was restarted, and kept nothing
    round_learner_ready(world->round, slot, 1 + slot * 10, now(world));
}

static void go(struct world *world, uint32_t slot, struct learner *learner, bool for_good)
{
    if (!learner->connected)
        return;
    tell(world, "%u is %s", slot, for_good ? "leaving" : "lost");
    learner->connected = false;
    learner->life++;
    learner->assigned = 0;
    later(world, between(world, 1, 300), (struct event){.kind = LEARNER_READY, .slot = slot});
    if (learner->upload.under_way && !learner->upload.folding && trouble(world, 1.0))
        learner->upload.ending = ENDS_BROKEN;
    if (!for_good) {
        round_learner_lost(world->round, slot, now(world));
        return;
    }
    learner->attends = learner->upload.parked = false;
    round_learner_left(world->round, slot, now(world));
}

static void handle_learner(struct world *world, const struct event *event)
{
    struct learner *learner = &world->learners[event->slot];
    bool current = event->tag == learner->life && learner->assigned == event->number;
    switch (event->kind) {
    case LEARNER_READY:
        come(world, event->slot, learner);
        break;
    case LEARNER_LOST:
    case LEARNER_LEAVES:
        go(world, event->slot, learner, event->kind == LEARNER_LEAVES);
        break;
    case LEARNER_DECLINES:
        tell(world, "%u declines round %u", event->slot, event->number);
        learner->assigned = 0;
        if (round_awaits(world->round, event->slot, event->number))
            round_declined(world->round, event->slot, now(world));
        break;
    case GOT_ASSIGNMENT:
        got_assignment(world, event, learner);
        break;
    case FETCHED:
        if (current)
            fetched(world, event, learner);
        break;
    case TRAINED:
        if (!current)
            break;
        learner->trained = event->number;
        begin_upload(world, event, learner);
        break;
    case FOLDED:
        if (learner->upload.folding && learner->upload.id == event->tag)
            end_fold(world, event->slot, learner);
        break;
    default: // UPLOAD_ENDS
        if (learner->upload.under_way && !learner->upload.folding && learner->upload.id == event->tag)
            end_upload(world, event->slot, learner);
        break;
    }
}

// ---- the course of things -------------------------------------------------------------------------------

static void mischief(struct world *world)
{
    uint32_t slot = random_below(&world->random, world->options.n_learners);
    double p = random_double(&world->random);
    enum event_kind kind = p < 0.5    ? LEARNER_LOST
                           : p < 0.75 ? LEARNER_LEAVES
                           : p < 0.9  ? PAUSE
                                      : LEARNER_DECLINES;
    if (chance(world, 0.002))
        kind = CANCEL;
    if (kind == PAUSE)
        later(world, between(world, 1, 400), (struct event){.kind = RESUME});
    later(world, 0,
          (struct event){.kind = kind, .slot = slot, .number = round_slot(world->round, slot)->number});
    later(world, between(world, 1, (uint32_t)(600 - 550 * world->trouble)), (struct event){.kind = MISCHIEF});
}

static void handle(struct world *world, const struct event *event)
{
    switch (event->kind) {
    case COMMITTED:
        world->committing = false;
        world->last_committed += event->good && !world->done;
        round_committed(world->round, event->good, now(world));
        break;
    case EVALUATED:
        round_evaluated(world->round, event->number, !event->good, now(world));
        break;
    case TICK:
        if (event->tag == world->tick)
            round_tick(world->round, now(world));
        break;
    case PREPARED:
        round_prepared(world->round, now(world));
        break;
    case PAUSE:
        round_pause(world->round, now(world));
        break;
    case RESUME:
        round_resume(world->round, now(world));
        break;
    case CANCEL:
        round_cancel(world->round, now(world));
        break;
    case MISCHIEF:
        if (!world->quiet)
            mischief(world);
        break;
    default:
        handle_learner(world, event);
        break;
    }
}

// ---- what always holds ----------------------------------------------------------------------------------

static void check_slot(struct world *world, uint32_t i, bool free_places)
{
    const struct slot *slot = round_slot(world->round, i);
    const struct learner *learner = &world->learners[i];
    bool collecting = round_phase(world->round) == ROUND_COLLECTING;
    check(world, slot->task != TASK_UPLOADING || learner->upload.under_way, "who counts as uploading is");
    check(world,
          (slot->task == TASK_PARKED) == learner->upload.parked ||
              (round_phase(world->round) == ROUND_EVALUATING &&
               round_number(world->round) == world->options.rounds),
          "what is parked is kept for the next round, if there is one");
    check(world, slot->task != TASK_ASSIGNED || !learner->connected || learner->sent == slot->number,
          "who is awaited and connected has its assignment");
    check(world, slot->task != TASK_ASSIGNED || learner->attends, "who has left is not awaited");
    check(world,
          !collecting || !free_places || !learner->connected || busy(world, i) ||
              slot->number == round_number(world->round),
          "nobody waits who may start from the present model");
}

static void check_all(struct world *world)
{
    enum round_phase phase = round_phase(world->round);
    bool folding = false;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        folding |= world->learners[i].upload.folding;
    bool free_places = !folding && n_taken(world) < n_places(world); // a commit may wait for a fold
    for (uint32_t i = 0; i < world->options.n_learners && !world->done; i++)
        check_slot(world, i, free_places);
    if (phase == ROUND_COLLECTING && !folding) {
        uint32_t n = round_n_submitted(world->round);
        check(world, !world->options.target || n < world->options.target, "a full buffer is committed");
        check(world, n < round_minimum(world->round) || now(world) <= round_deadline(world->round),
              "past the deadline, a round with its minimum commits");
    }
    check(world, (phase == ROUND_COMMITTING) <= world->committing,
          "a commit that is waited for is under way");
    check(world, world->done == (phase == ROUND_DONE), "the end is told");
    check(world, round_number(world->round) <= world->options.rounds, "no round beyond the last");
}

// ---- an experiment --------------------------------------------------------------------------------------

static void set_up(struct world *world, uint64_t seed)
{
    world->random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_TEST});
    uint32_t n = (uint32_t)between(world, 1, SLOTS_MAX);
    static const double fractions[] = {1.0, 1.0, 0.5, 0.3, 0.01};
    bool semi = chance(world, 0.4);
    world->options = (struct round_options){
        .seed = seed,
        .rounds = (uint32_t)between(world, 1, 60),
        .n_learners = n,
        .start_with = chance(world, 0.6) ? 0 : (uint32_t)between(world, 1, n),
        .minimum = chance(world, 0.5) ? 0 : (uint32_t)between(world, 1, n),
        .fraction = fractions[random_below(&world->random, 5)],
        .over_selection = 1,
        .deadline_ms = semi                 ? between(world, 10, 200)
                       : chance(world, 0.5) ? 0
                                            : between(world, 20, 400),
        .evaluation_decides = chance(world, 0.3),
        .continuous = true,
        .refills = !semi,
        .max_staleness = chance(world, 0.3) ? random_below(&world->random, 3) : 10,
    };
    if (!semi)
        world->options.target =
            (uint32_t)between(world, world->options.minimum ? world->options.minimum : 1, n);
    world->trouble = random_double(&world->random) * chance(world, 0.9);
    for (uint32_t i = 0; i < n; i++) {
        world->learners[i].slowness = chance(world, 0.2) ? 10 : 1;
        later(world, between(world, 0, 100), (struct event){.kind = LEARNER_READY, .slot = i});
    }
    later(world, between(world, 0, 150), (struct event){.kind = PREPARED});
    later(world, between(world, 0, 1000), (struct event){.kind = MISCHIEF});
}

// From now on nothing goes wrong, and who is away comes back.
static void calm(struct world *world)
{
    tell(world, "calm");
    world->quiet = true;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        later(world, between(world, 0, 50), (struct event){.kind = LEARNER_READY, .slot = i});
    later(world, 60, (struct event){.kind = RESUME});
}

static void live(struct world *world)
{
    struct event event;
    while (!world->fault && now(world) < END_MS && agenda_next(&world->agenda, &event)) {
        if (!world->quiet && now(world) > QUIET_MS)
            calm(world);
        handle(world, &event);
        check_all(world);
        world->steps++;
    }
    if (!world->quiet && !world->fault) { // nothing was going on any more
        calm(world);
        live(world);
    }
}

struct world_result flow_run(uint64_t seed, bool verbose)
{
    struct world *world = memory_zalloc(sizeof *world);
    if (!world)
        return (struct world_result){.fault = "out of memory"};
    world->verbose = verbose;
    set_up(world, seed);
    world->round = round_new(&world->options, &operations, world);
    if (world->round) {
        live(world);
        check(world, world->done, "an experiment ends once faults stop");
    }
    const struct world_result result = {
        .rounds = world->round ? round_number(world->round) : 0,
        .steps = world->steps,
        .n_stale = world->n_stale,
        .completed = world->done && round_outcome(world->round) == ROUND_COMPLETED,
        .fault = world->round ? world->fault : "out of memory",
        .fault_ms = now(world),
    };
    round_free(world->round);
    memory_free(world);
    return result;
}
