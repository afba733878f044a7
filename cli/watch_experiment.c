#include "cli/watch_experiment.h"
#include "cli/event_format.h"
#include "cli/event_stream.h"
#include "cli/steer.h"
#include <errno.h>
#include <pb_decode.h>
#include <stdio.h>

enum { LOOK_MS = 1000 };

struct printer {
    bool json;
    uint64_t first;  // the event that is wanted first
    uint64_t cursor; // of the last one printed
    int64_t unix_ms; // its time; a coordinator that was started again numbers from 1
};

static enum status print_event(void *user, const cohort_v1_WatchExperimentResponse *event,
                               struct error *error)
{
    struct printer *printer = user;
    struct bytes line = BYTES_INIT;
    if (event->unix_ms < printer->unix_ms ||
        (event->unix_ms == printer->unix_ms && event->cursor <= printer->cursor))
        return STATUS_OK; // printed before the stream broke
    if (printer->json)
        event_json(event, &line);
    else
        event_text(event, &line);
    enum status status = STATUS_OK;
    if (line.failed)
        status = error_no_memory(error, line.n);
    else if (line.n && (fwrite(line.data, 1, line.n, stdout) != line.n || fflush(stdout)))
        status = error_errno(error, errno, "cannot write", "standard output");
    printer->cursor = event->cursor;
    printer->unix_ms = event->unix_ms;
    printer->first = 0;
    bytes_release(&line);
    return status;
}

static enum status follow(const struct remote *remote, const char *experiment_id, const struct texts *kinds,
                          struct printer *printer, struct error *error)
{
    const struct event_wish wish = {.experiment_id = experiment_id, .cursor = printer->first, .kinds = kinds};
    struct event_stream *stream = NULL;
    TRY(event_stream_new(&stream, remote->channel, &wish, print_event, printer, error));
    while (!event_stream_wait(stream, LOOK_MS))
        ;
    enum status status = event_stream_status(stream, error);
    event_stream_free(stream);
    return status;
}

static enum status outcome(const struct remote *remote, const char *experiment_id, struct error *error)
{
    cohort_v1_GetExperimentResponse response = cohort_v1_GetExperimentResponse_init_zero;
    TRY(steer_experiment(remote->channel, experiment_id, &response, error));
    enum status status = steer_outcome(&response.experiment, error);
    pb_release(cohort_v1_GetExperimentResponse_fields, &response);
    return status;
}

enum status watch_experiment(const struct remote *remote, const char *experiment_id,
                             const struct watch_options *options, struct error *error)
{
    struct printer printer = {.json = options->json, .first = options->cursor};
    enum status status;
    while ((status = follow(remote, experiment_id, &options->kinds, &printer, error)) == STATUS_UNAVAILABLE &&
           remote->wait_s > 0)
        TRY(remote_await(remote, error));
    return status == STATUS_OK ? outcome(remote, experiment_id, error) : status;
}
