#include "world.h"
#include "base/memory.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { STALL_MS = 400, QUIET_MS = 20000, END_MS = 400000 };

void check(struct world *world, bool holds, const char *sentence)
{
    if (!holds && !world->fault)
        world->fault = sentence;
}

void tell(const struct world *world, const char *format, ...)
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

void later(struct world *world, int64_t in_ms, struct event event)
{
    check(world, agenda_add(&world->agenda, in_ms, event), "there are never thousands of events waiting");
}

int64_t now(const struct world *world)
{
    return world->agenda.now_ms;
}

int64_t between(struct world *world, uint32_t least, uint32_t most)
{
    return least + random_below(&world->random, most - least + 1);
}

bool chance(struct world *world, double p)
{
    return random_double(&world->random) < p;
}

bool trouble(struct world *world, double p)
{
    bool hit = chance(world, p * world->trouble);
    return hit && !world->quiet;
}

// ---- what the round asks for ----------------------------------------------------------------------------

void world_begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct world *world = user;
    tell(world, "round %u attempt %u begins, %u places", number, round_attempt(world->round), n_selected);
    check(world, !world->done && !world->committing, "a round begins between commits");
    check(world, weight_unit > 0, "a weight unit is positive");
    check(world, number == world->last_committed + 1, "a round follows the last committed one");
    world->begun = number;
    world->generation++;
    memset(world->counted, 0, sizeof world->counted);
    memset(world->pieces, 0, sizeof world->pieces);
}

void world_send_assignment(struct world *world, uint32_t slot, uint32_t number, uint32_t attempt)
{
    struct learner *learner = &world->learners[slot];
    tell(world, "assign %u: round %u attempt %u", slot, number, attempt);
    check(world, !world->done, "nothing is asked after the end");
    check(world, learner->connected, "only who is connected is assigned");
    learner->sent_number = number;
    learner->sent_attempt = attempt;
    later(world, between(world, 0, 5),
          (struct event){.kind = GOT_ASSIGNMENT,
                         .slot = slot,
                         .number = number,
                         .attempt = attempt,
                         .tag = learner->life});
}

void world_withdraw(void *user, uint32_t slot, uint32_t number)
{
    struct world *world = user;
    struct learner *learner = &world->learners[slot];
    check(world, !world->done, "nothing is asked after the end");
    check(world, learner->upload.under_way || round_slot(world->round, slot)->task == TASK_ASSIGNED,
          "only who is awaited is withdrawn");
    if (learner->number == number)
        learner->assigned = false;
}

void world_commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct world *world = user;
    tell(world, "commit round %u with %u", number, n_summaries);
    check(world, !world->done && !world->committing, "one commit at a time");
    check(world, number == world->last_committed + 1, "the committed round follows the last");
    check(world, n_summaries >= 1 && n_summaries >= world->options.minimum, "no commit below the minimum");
    world->committing = true;
    bool good = !trouble(world, 0.002);
    later(world, between(world, 0, 30), (struct event){.kind = COMMITTED, .number = number, .good = good});
}

void world_evaluate(void *user, uint32_t number)
{
    struct world *world = user;
    check(world, !world->done, "nothing is asked after the end");
    check(world, number == world->last_committed, "the committed round is evaluated");
    bool stop = world->options.evaluation_decides && chance(world, 0.02);
    tell(world, "evaluate %u%s", number, stop ? ", which stops" : "");
    if (chance(world, 0.3))
        round_evaluated(world->round, number, stop, now(world));
    else
        later(world, between(world, 0, chance(world, 0.2) ? 500 : 20),
              (struct event){.kind = EVALUATED, .number = number, .good = !stop});
}

void world_changed(void *user, enum round_phase phase)
{
    struct world *world = user;
    tell(world, "phase %d", phase);
    check(world, !world->done, "the end is the end");
    world->done = phase == ROUND_DONE;
}

void world_wake_at(void *user, int64_t at_ms)
{
    struct world *world = user;
    check(world, !world->done, "nothing is asked after the end");
    world->tick++;
    if (at_ms != INT64_MAX)
        later(world, at_ms > now(world) ? at_ms - now(world) : 0,
              (struct event){.kind = TICK, .tag = world->tick});
}

// ---- learners -------------------------------------------------------------------------------------------

void world_begin_upload(struct world *world, uint32_t slot, bool streams)
{
    struct learner *learner = &world->learners[slot];
    bool stalls = trouble(world, 0.05);
    learner->upload = (struct upload){
        .under_way = true,
        .streams = streams,
        .number = learner->number,
        .attempt = learner->attempt,
        .generation = world->generation,
        .id = ++world->n_uploads,
        .ending = stalls || trouble(world, 0.2) ? ENDS_BROKEN
                  : trouble(world, 0.04)        ? ENDS_UNFIT
                                                : ENDS_WHOLE,
    };
    world->pieces[slot] += streams;
    round_upload_begun(world->round, slot, !streams, now(world));
    later(world, stalls ? STALL_MS : between(world, 0, 30),
          (struct event){.kind = UPLOAD_ENDS, .slot = slot, .tag = learner->upload.id});
}

bool world_upload_counts(const struct world *world, uint32_t slot)
{
    const struct upload *upload = &world->learners[slot].upload;
    return round_upload_counts(world->round, slot, upload->number, upload->attempt);
}

void world_fold(struct world *world, uint32_t slot)
{
    struct upload *upload = &world->learners[slot].upload;
    upload->under_way = upload->folding = true;
    later(world, between(world, 0, 3), (struct event){.kind = FOLDED, .slot = slot, .tag = upload->id});
}

static void come(struct world *world, uint32_t slot, struct learner *learner)
{
    if (learner->connected)
        return;
    tell(world, "%u comes", slot);
    learner->connected = learner->attends = true;
    learner->life++;
    learner->sent_number = learner->sent_attempt = 0;
    if (trouble(world, 0.4))
        learner->trained = 0; // it was restarted, and kept nothing
    round_learner_ready(world->round, slot, 1 + slot * 10, now(world));
}

static void go(struct world *world, uint32_t slot, struct learner *learner, bool for_good)
{
    if (!learner->connected)
        return;
    tell(world, "%u is %s", slot, for_good ? "leaving" : "lost");
    learner->connected = learner->assigned = false;
    learner->life++;
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

static void decline(struct world *world, uint32_t slot, uint32_t number)
{
    tell(world, "%u declines round %u", slot, number);
    world->learners[slot].assigned = false;
    if (round_awaits(world->round, slot, number))
        round_declined(world->round, slot, now(world));
}

static void got_assignment(struct world *world, const struct event *event, struct learner *learner)
{
    bool again = learner->assigned && learner->number == event->number &&
                 learner->attempt == event->attempt && learner->trained != event->number;
    if (again)
        return;
    learner->assigned = true;
    learner->number = event->number;
    learner->attempt = event->attempt;
    if (trouble(world, 0.03))
        later(world, 1,
              (struct event){.kind = LEARNER_DECLINES, .slot = event->slot, .number = event->number});
    else
        world->schedule->assigned(world, event, learner);
}

static void handle_learner(struct world *world, const struct event *event)
{
    uint32_t slot = event->slot;
    struct learner *learner = &world->learners[slot];
    bool lives = event->tag == learner->life; // else the connection broke under way
    bool current = lives && learner->assigned && event->number == learner->number;
    bool uploading = learner->upload.under_way && event->tag == learner->upload.id;
    switch (event->kind) {
    case LEARNER_READY:
        come(world, slot, learner);
        break;
    case LEARNER_LOST:
    case LEARNER_LEAVES:
        go(world, slot, learner, event->kind == LEARNER_LEAVES);
        break;
    case LEARNER_DECLINES:
        decline(world, slot, event->number);
        break;
    case GOT_ASSIGNMENT:
        if (lives)
            got_assignment(world, event, learner);
        break;
    case FETCHED:
        if (current)
            world->schedule->fetched(world, event, learner);
        break;
    case TRAINED:
        if (!current)
            break;
        learner->trained = event->number;
        world->schedule->trained(world, event, learner);
        break;
    case FOLDED:
        if (uploading && learner->upload.folding)
            world->schedule->folded(world, slot, learner);
        break;
    default: // UPLOAD_ENDS
        if (uploading && !learner->upload.folding)
            world->schedule->upload_ends(world, slot, learner);
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

// What learners keep themselves may be lost with them before it is committed.
static void committed(struct world *world, bool good)
{
    world->committing = false;
    if (world->options.copies && trouble(world, 0.3) && round_collect_again(world->round, now(world)))
        return;
    world->last_committed += good && !world->done;
    round_committed(world->round, good, now(world));
}

static void handle(struct world *world, const struct event *event)
{
    switch (event->kind) {
    case COMMITTED:
        committed(world, event->good);
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

static void check_slot(struct world *world, uint32_t i)
{
    const struct slot *slot = round_slot(world->round, i);
    const struct learner *learner = &world->learners[i];
    check(world, slot->task != TASK_UPLOADING || learner->upload.under_way, "who counts as uploading is");
    check(world,
          slot->task != TASK_ASSIGNED || !learner->connected ||
              (learner->sent_number == slot->number && learner->sent_attempt == round_attempt(world->round)),
          "who is awaited and connected has an assignment of the present attempt");
    check(world, slot->task != TASK_ASSIGNED || learner->attends, "who has left is not awaited");
}

static void check_all(struct world *world)
{
    enum round_phase phase = round_phase(world->round);
    bool tasks_count = phase == ROUND_COLLECTING || world->options.continuous; // in step, until the commit
    for (uint32_t i = 0; i < world->options.n_learners && tasks_count && !world->done; i++)
        check_slot(world, i);
    world->schedule->check(world);
    check(world, (phase == ROUND_COMMITTING) <= world->committing,
          "a commit that is waited for is under way");
    check(world, world->done == (phase == ROUND_DONE), "the end is told");
    check(world, round_number(world->round) <= world->options.rounds, "no round beyond the last");
    check(world, phase != ROUND_PAUSED || round_pausing(world->round), "only who was paused is");
}

// ---- an experiment --------------------------------------------------------------------------------------

static void set_up(struct world *world, uint64_t seed)
{
    static const double fractions[] = {1.0, 1.0, 0.5, 0.3, 0.01};
    world->random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_TEST});
    uint32_t n = (uint32_t)between(world, 1, SLOTS_MAX);
    world->options = (struct round_options){.seed = seed, .n_learners = n};
    world->options.start_with = chance(world, 0.65) ? 0 : (uint32_t)between(world, 1, n);
    world->options.fraction = fractions[random_below(&world->random, ARRAY_SIZE(fractions))];
    world->schedule->choose(world, &world->options);
    world->trouble = random_double(&world->random) * chance(world, 0.9);
    for (uint32_t i = 0; i < n; i++)
        later(world, between(world, 0, 100), (struct event){.kind = LEARNER_READY, .slot = i});
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

struct world_result world_run(const struct world_schedule *schedule, uint64_t seed, bool verbose)
{
    struct world *world = memory_zalloc(sizeof *world);
    if (!world)
        return (struct world_result){.fault = "out of memory"};
    world->schedule = schedule;
    world->verbose = verbose;
    set_up(world, seed);
    world->round = round_new(&world->options, schedule->operations, world);
    if (world->round) {
        live(world);
        check(world, world->done, "an experiment ends once faults stop");
    }
    const struct world_result result = {
        .rounds = world->begun,
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
