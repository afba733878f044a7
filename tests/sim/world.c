#include "world.h"
#include "agenda.h"
#include "base/memory.h"
#include "base/philox.h"
#include "coordinator/round.h"
#include "coordinator/select.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS_MAX = 9, STALL_MS = 400, QUIET_MS = 20000, END_MS = 200000 };

enum ending { ENDS_WHOLE, ENDS_BROKEN, ENDS_UNFIT };

struct upload {
    bool under_way, streams; // streams: parts of it are in the reduction before it is whole
    bool folding;            // whole; the round waits for its fold
    uint32_t number, attempt;
    uint64_t generation, id;
    enum ending ending;
};

struct learner {
    bool connected, attends; // attends: holds its slot, connected or not
    uint64_t life;           // counts connections: messages of an older one are lost
    bool assigned;           // as it knows
    uint32_t number, attempt, trained;
    uint32_t sent_number, sent_attempt; // the last assignment over this connection
    struct upload upload;
};

struct world {
    struct random random;
    struct round_options options;
    struct round *round;
    struct learner learners[SLOTS_MAX];
    struct agenda agenda;
    uint64_t n_uploads, tick;
    bool verbose, quiet, done;
    double trouble; // how often something goes wrong
    uint64_t steps;

    // The reduction: whole summaries and pieces of unfinished ones, since the last reset.
    uint64_t generation;
    uint32_t counted[SLOTS_MAX], pieces[SLOTS_MAX];
    uint32_t last_committed, begun;
    bool committing;
    bool member_at_begin[SLOTS_MAX];
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

static void later(struct world *world, int64_t in_ms, struct event event)
{
    check(world, agenda_add(&world->agenda, in_ms, event), "there are never thousands of events waiting");
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

// ---- what the machine asks for --------------------------------------------------------------------------

static void begin(void *user, uint32_t number, uint32_t n_selected, uint64_t weight_unit)
{
    struct world *world = user;
    tell(world, "round %u attempt %u begins, %u selected", number, round_attempt(world->round), n_selected);
    check(world, !world->done, "nothing is asked after the end");
    check(world, weight_unit > 0, "a weight unit is positive");
    check(world, number == world->last_committed + 1, "a round follows the last committed one");
    world->generation++;
    memset(world->counted, 0, sizeof world->counted);
    memset(world->pieces, 0, sizeof world->pieces);
    if (round_attempt(world->round) != 1)
        return;
    world->begun = number;
    for (uint32_t i = 0; i < world->options.n_learners; i++)
        world->member_at_begin[i] = world->learners[i].attends;
}

static void assign(void *user, uint32_t slot, uint32_t number, uint32_t attempt, uint64_t weight_unit,
                   int64_t left_ms)
{
    struct world *world = user;
    struct learner *learner = &world->learners[slot];
    tell(world, "assign %u: round %u attempt %u", slot, number, attempt);
    (void)weight_unit;
    check(world, !world->done, "nothing is asked after the end");
    check(world, learner->connected, "only who is connected is assigned");
    check(world,
          !learner->upload.under_way || learner->upload.attempt != attempt ||
              learner->upload.number != number,
          "nobody is assigned during its upload of that attempt");
    check(world, world->options.deadline_ms ? left_ms > 0 : left_ms == 0, "time left is told");
    learner->sent_number = number;
    learner->sent_attempt = attempt;
    later(world, between(world, 0, 5),
          (struct event){.kind = GOT_ASSIGNMENT,
                         .slot = slot,
                         .number = number,
                         .attempt = attempt,
                         .tag = learner->life});
}

static void withdraw(void *user, uint32_t slot, uint32_t number)
{
    struct world *world = user;
    check(world, !world->done, "nothing is asked after the end");
    check(world,
          world->learners[slot].upload.under_way || round_slot(world->round, slot)->task == TASK_ASSIGNED,
          "only who is awaited is withdrawn");
    if (world->learners[slot].number == number)
        world->learners[slot].assigned = false;
}

static uint32_t n_counted(struct world *world)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->options.n_learners; i++) {
        check(world, world->counted[i] <= 1, "no summary is counted twice");
        check(world, world->pieces[i] == 0, "no piece of a summary is committed");
        check(world, (world->counted[i] == 1) == (round_slot(world->round, i)->task == TASK_SUBMITTED),
              "what is reduced is what was submitted");
        n += world->counted[i];
    }
    return n;
}

static void admit(void *user, uint32_t slot, uint32_t staleness)
{
    (void)slot, (void)staleness;
    check(user, false, "in step, nothing is parked");
}

static void commit(void *user, uint32_t number, uint32_t n_summaries)
{
    struct world *world = user;
    tell(world, "commit round %u with %u", number, n_summaries);
    check(world, !world->done, "nothing is asked after the end");
    check(world, !world->committing, "one commit at a time");
    check(world, number == world->last_committed + 1, "the committed round follows the last");
    check(world, n_summaries >= 1 && n_summaries >= world->options.minimum, "no commit below the minimum");
    check(world, n_counted(world) == n_summaries, "all that was submitted is reduced");
    world->committing = true;
    later(world, between(world, 0, 30),
          (struct event){.kind = COMMITTED, .number = number, .good = !trouble(world, 0.002)});
}

static void evaluate(void *user, uint32_t number)
{
    struct world *world = user;
    check(world, !world->done, "nothing is asked after the end");
    check(world, number == world->last_committed, "the committed round is evaluated");
    bool stop = world->options.evaluation_decides && chance(world, 0.02);
    tell(world, "evaluate %u%s", number, stop ? ", which stops" : "");
    if (chance(world, 0.3))
        round_evaluated(world->round, number, stop, world->agenda.now_ms);
    else
        later(world, between(world, 0, chance(world, 0.2) ? 500 : 20),
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
    check(world, !world->done, "nothing is asked after the end");
    world->tick++;
    if (at_ms != INT64_MAX)
        later(world, at_ms > world->agenda.now_ms ? at_ms - world->agenda.now_ms : 0,
              (struct event){.kind = TICK, .tag = world->tick});
}

static const struct round_operations operations = {begin,  assign,   withdraw, admit,
                                                   commit, evaluate, changed,  wake_at};

// ---- learners -------------------------------------------------------------------------------------------

static void begin_upload(struct world *world, uint32_t slot, struct learner *learner)
{
    enum round_offer offer =
        round_offer(world->round, slot, learner->number, learner->attempt, world->agenda.now_ms);
    if (offer == OFFER_BUSY || offer == OFFER_SUPERSEDED) {
        later(world, between(world, 5, 20),
              (struct event){.kind = TRAINED,
                             .slot = slot,
                             .number = learner->number,
                             .attempt = learner->attempt,
                             .tag = learner->life});
        return;
    }
    if (offer != OFFER_TAKE) {
        learner->assigned = false;
        return;
    }
    check(world, !learner->upload.under_way || learner->upload.generation != world->generation,
          "a slot has one upload at a time");
    struct upload *upload = &learner->upload;
    bool stalls = trouble(world, 0.05);
    *upload = (struct upload){
        .under_way = true,
        .streams = chance(world, 0.5),
        .number = learner->number,
        .attempt = learner->attempt,
        .generation = world->generation,
        .id = ++world->n_uploads,
        .ending = stalls || trouble(world, 0.2) ? ENDS_BROKEN
                  : trouble(world, 0.04)        ? ENDS_UNFIT
                                                : ENDS_WHOLE,
    };
    if (upload->streams)
        world->pieces[slot]++;
    round_upload_begun(world->round, slot, !upload->streams, world->agenda.now_ms);
    later(world, stalls ? STALL_MS : between(world, 0, 30),
          (struct event){.kind = UPLOAD_ENDS, .slot = slot, .tag = upload->id});
}

static bool counts(const struct world *world, uint32_t slot, const struct upload *upload)
{
    return round_upload_counts(world->round, slot, upload->number, upload->attempt);
}

// A summary that is whole was folded; what the reduction holds of it counts from now on.
static void end_fold(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    upload->under_way = upload->folding = false;
    if (upload->generation == world->generation) {
        world->pieces[slot] -= upload->streams;
        world->counted[slot]++;
    }
    if (!counts(world, slot, upload))
        return;
    check(world, upload->generation == world->generation, "what counts is in the reduction");
    learner->assigned = learner->assigned && learner->attempt != upload->attempt;
    round_submitted(world->round, slot, world->agenda.now_ms);
}

static void begin_fold(struct world *world, uint32_t slot, struct upload *upload)
{
    uint32_t staleness = 1;
    enum round_whole whole = round_upload_whole(world->round, slot, upload->number, upload->attempt,
                                                &staleness, world->agenda.now_ms);
    check(world, staleness == 0, "in step, no summary is stale");
    check(world, whole == WHOLE_VOID || whole == WHOLE_FOLD, "in step, a summary counts now or never");
    upload->folding = whole == WHOLE_FOLD;
    if (whole == WHOLE_VOID)
        upload->under_way = false;
    else
        later(world, between(world, 0, 3), (struct event){.kind = FOLDED, .slot = slot, .tag = upload->id});
}

// What job_upload_end and the ingest do together.
static void end_upload(struct world *world, uint32_t slot, struct learner *learner)
{
    struct upload *upload = &learner->upload;
    bool current = upload->generation == world->generation;
    bool spoilt = upload->streams && current && upload->ending != ENDS_WHOLE;
    tell(world, "upload of %u ends: %d%s%s", slot, upload->ending,
         counts(world, slot, upload) ? "" : " (does not count)", spoilt ? " (spoilt)" : "");
    check(world, !spoilt || counts(world, slot, upload) || world->done || world->committing,
          "what spoils a reduction under way is told to the round");
    check(world, !current || counts(world, slot, upload) || world->done || !upload->streams,
          "an upload that is in the reduction under way counts");
    if (upload->ending == ENDS_WHOLE) {
        begin_fold(world, slot, upload);
        return;
    }
    upload->under_way = false;
    if (!counts(world, slot, upload))
        return;
    if (upload->ending == ENDS_UNFIT) {
        learner->assigned = false;
        round_rejected(world->round, slot, spoilt, world->agenda.now_ms);
    } else {
        round_upload_broken(world->round, slot, spoilt, world->agenda.now_ms);
    }
}

static void come(struct world *world, uint32_t slot, struct learner *learner)
{
    if (learner->connected)
        return;
    learner->connected = learner->attends = true;
    learner->life++;
    learner->sent_number = learner->sent_attempt = 0;
    if (trouble(world, 0.3))
        learner->trained = 0; // it was restarted, and kept nothing
    round_learner_ready(world->round, slot, 1 + slot * 10, world->agenda.now_ms);
}

static void go(struct world *world, uint32_t slot, struct learner *learner, bool for_good)
{
    if (!learner->connected)
        return;
    learner->connected = false;
    learner->assigned = false;
    learner->life++;
    later(world, between(world, 1, 300), (struct event){.kind = LEARNER_READY, .slot = slot});
    if (for_good)
        learner->attends = false;
    if (learner->upload.under_way && trouble(world, 1.0))
        learner->upload.ending = ENDS_BROKEN;
    if (for_good)
        round_learner_left(world->round, slot, world->agenda.now_ms);
    else
        round_learner_lost(world->round, slot, world->agenda.now_ms);
}

static void got_assignment(struct world *world, const struct event *event, struct learner *learner)
{
    if (event->tag != learner->life)
        return; // the connection broke under way
    learner->assigned = true;
    learner->number = event->number;
    learner->attempt = event->attempt;
    if (trouble(world, 0.03)) {
        later(world, 1,
              (struct event){.kind = LEARNER_DECLINES, .slot = event->slot, .number = event->number});
        return;
    }
    int64_t ms = learner->trained == event->number ? 0 : between(world, 1, trouble(world, 0.2) ? 2000 : 40);
    later(world, ms,
          (struct event){.kind = TRAINED,
                         .slot = event->slot,
                         .number = event->number,
                         .attempt = event->attempt,
                         .tag = learner->life});
}

static void handle_learner(struct world *world, const struct event *event)
{
    struct learner *learner = &world->learners[event->slot];
    switch (event->kind) {
    case LEARNER_READY:
        come(world, event->slot, learner);
        break;
    case LEARNER_LOST:
        go(world, event->slot, learner, false);
        break;
    case LEARNER_LEAVES:
        go(world, event->slot, learner, true);
        break;
    case LEARNER_DECLINES:
        learner->assigned = false;
        if (event->number == round_number(world->round))
            round_declined(world->round, event->slot, world->agenda.now_ms);
        break;
    case GOT_ASSIGNMENT:
        got_assignment(world, event, learner);
        break;
    case TRAINED:
        if (event->tag != learner->life || !learner->assigned || event->number != learner->number)
            break;
        learner->trained = event->number;
        if (event->attempt == learner->attempt)
            begin_upload(world, event->slot, learner);
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
    later(world, 0, (struct event){.kind = kind, .slot = slot, .number = round_number(world->round)});
    if (!world->quiet)
        later(world, between(world, 1, (uint32_t)(600 - 550 * world->trouble)),
              (struct event){.kind = MISCHIEF});
}

static void handle(struct world *world, const struct event *event)
{
    switch (event->kind) {
    case COMMITTED:
        world->committing = false;
        world->last_committed += event->good && !world->done;
        round_committed(world->round, event->good, world->agenda.now_ms);
        break;
    case EVALUATED:
        round_evaluated(world->round, event->number, !event->good, world->agenda.now_ms);
        break;
    case TICK:
        if (event->tag == world->tick)
            round_tick(world->round, world->agenda.now_ms);
        break;
    case PREPARED:
        round_prepared(world->round, world->agenda.now_ms);
        break;
    case PAUSE:
        round_pause(world->round, world->agenda.now_ms);
        break;
    case RESUME:
        round_resume(world->round, world->agenda.now_ms);
        break;
    case CANCEL:
        round_cancel(world->round, world->agenda.now_ms);
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
        const struct learner *learner = &world->learners[i];
        submitted += slot->task == TASK_SUBMITTED;
        failed += slot->task == TASK_FAILED;
        uploading += slot->task == TASK_UPLOADING;
        check(world,
              slot->task != TASK_UPLOADING ||
                  (learner->upload.under_way && learner->upload.generation == world->generation),
              "who counts as uploading is");
        check(world,
              slot->task != TASK_ASSIGNED || !learner->connected ||
                  (learner->sent_number == round_number(world->round) &&
                   learner->sent_attempt == round_attempt(world->round)),
              "who is awaited and connected has an assignment of the present attempt");
        check(world, slot->task != TASK_ASSIGNED || learner->attends, "who has left is not awaited");
    }
    check(world, submitted == round_n_submitted(world->round), "submitted summaries are counted");
    uint32_t possible = round_n_selected(world->round) - failed;
    check(world, submitted < possible, "a round with everything in hand commits");
    check(world, uploading || submitted < round_n_wanted(world->round),
          "a round with enough in hand commits");
    check(world, possible >= round_minimum(world->round), "a round that cannot reach its minimum ends");
    check(world,
          uploading || submitted < round_minimum(world->round) ||
              world->agenda.now_ms <= round_deadline(world->round),
          "past the deadline, a round with its minimum commits");
    check_selection(world);
}

static void check_all(struct world *world)
{
    enum round_phase phase = round_phase(world->round);
    if (phase == ROUND_COLLECTING)
        check_collecting(world);
    check(world, (phase == ROUND_COMMITTING) <= world->committing,
          "a commit that is waited for is under way");
    check(world, world->done == (phase == ROUND_DONE), "the end is told");
    check(world, round_number(world->round) <= world->options.rounds, "no round beyond the last");
    check(world, phase != ROUND_PAUSED || round_pausing(world->round), "only who was paused is");
}

// ---- an experiment --------------------------------------------------------------------------------------

static void set_up(struct world *world, uint64_t seed)
{
    world->random = random_open((struct random_key){.seed = seed, .purpose = RANDOM_TEST});
    uint32_t n = (uint32_t)between(world, 1, SLOTS_MAX);
    static const double fractions[] = {1.0, 1.0, 0.5, 0.3, 0.01};
    world->options = (struct round_options){
        .seed = seed,
        .rounds = (uint32_t)between(world, 1, 25),
        .n_learners = n,
        .start_with = chance(world, 0.7) ? 0 : (uint32_t)between(world, 1, n),
        .minimum = (uint32_t)between(world, 0, n),
        .fraction = fractions[random_below(&world->random, 5)],
        .over_selection = chance(world, 0.6) ? 1 : 1 + 2 * random_double(&world->random),
        .deadline_ms = chance(world, 0.3) ? 0 : between(world, 20, 400),
        .evaluation_decides = chance(world, 0.4),
    };
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
    while (!world->fault && agenda_next(&world->agenda, &event)) {
        if (!world->quiet && world->agenda.now_ms > QUIET_MS)
            calm(world);
        handle(world, &event);
        check_all(world);
        world->steps++;
        if (world->agenda.now_ms > END_MS)
            break;
    }
    if (!world->quiet && !world->fault) { // nothing was going on any more
        calm(world);
        live(world);
    }
}

struct world_result world_run(uint64_t seed, bool verbose)
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
        .rounds = world->begun,
        .steps = world->steps,
        .completed = world->done && round_outcome(world->round) == ROUND_COMPLETED,
        .fault = world->round ? world->fault : "out of memory",
        .fault_ms = world->agenda.now_ms,
    };
    round_free(world->round);
    memory_free(world);
    return result;
}
