#include "report/progress.h"
#include "base/clock.h"
#include "base/memory.h"
#include "report/history.h"
#include "report/human.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    RECENT_ROUNDS = 8,  // rounds whose mean tells the time left
    LINES_MAX = 40,     // finished rounds above the live line
    BAR_CELLS_MAX = 32, // and no wider than a third of the terminal
    REDRAW_MS = 80,     // summaries may come by the thousand a second
    DEFAULT_COLUMNS = 80,
};

struct progress {
    struct progress_options options;
    char *experiment;
    bool colour, unicode;
    bool line_open; // the live line stands there, to be overwritten
    uint32_t round, n_selected, n_summaries;
    uint32_t n_done; // rounds committed, as far as this process saw
    double recent[RECENT_ROUNDS];
    struct round_record last;
    char note[160];
    int64_t drawn_ms;
};

// A locale that is set and is not UTF-8 gets ASCII.
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return true;
}

enum status progress_new(struct progress **ret, const struct progress_options *options, struct error *error)
{
    struct progress *progress = memory_zalloc(sizeof *progress);
    if (!progress)
        return error_no_memory(error, sizeof *progress);
    progress->options = *options;
    progress->experiment = memory_copy_text(options->experiment ? options->experiment : "");
    if (!progress->experiment) {
        progress_free(progress);
        return error_no_memory(error, 1);
    }
    const char *no_color = getenv("NO_COLOR");
    progress->colour = options->live && !(no_color && *no_color);
    progress->unicode = locale_is_utf8();
    *ret = progress;
    return STATUS_OK;
}

struct progress *progress_free(struct progress *progress)
{
    if (!progress)
        return NULL;
    if (progress->line_open) {
        fputs("\r\033[K", progress->options.out);
        fflush(progress->options.out);
    }
    memory_free(progress->experiment);
    return memory_free(progress);
}

static const char *const BOLD = "\033[1m", *const DIM = "\033[2m", *const GREEN = "\033[32m",
                         *const RED = "\033[31m", *const CYAN = "\033[36m", *const PLAIN = "\033[0m";

static const char *ink(const struct progress *progress, const char *code)
{
    return progress->colour ? code : "";
}

static size_t columns(const struct progress *progress)
{
    struct winsize size;
    int fd = fileno(progress->options.out);
    if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return DEFAULT_COLUMNS;
}

// A line made of parts, of which those that do not fit the terminal are left out: colours take no columns.
struct line {
    const struct progress *progress;
    char text[1024];
    size_t n, used_columns, limit_columns;
};

static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool line_add(struct line *line, const char *colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool line_add(struct line *line, const char *colour, const char *format, ...)
{
    char part[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    const char *on = ink(line->progress, colour), *off = *on ? ink(line->progress, PLAIN) : "";
    if (line->used_columns + width(part) > line->limit_columns ||
        line->n + strlen(part) + 16 > sizeof line->text)
        return false;
    line->n += (size_t)snprintf(line->text + line->n, sizeof line->text - line->n, "%s%s%s", on, part, off);
    line->used_columns += width(part);
    return true;
}

// One column stays free: a terminal wraps when the last one is written.
static struct line line_open(const struct progress *progress)
{
    return (struct line){
        .progress = progress,
        .limit_columns = progress->options.live ? columns(progress) - 1 : SIZE_MAX,
    };
}

static void line_print(struct progress *progress, const struct line *line, bool stays)
{
    FILE *out = progress->options.out;
    fprintf(out, "%s%s%s%s", progress->options.live ? "\r" : "", line->text,
            progress->options.live ? "\033[K" : "", stays ? "\n" : "");
    fflush(out);
    progress->line_open = !stays;
}

static double round_metric(const struct round_record *record, const char *test, const char *train)
{
    double value = metric_find(record->metrics, record->n_metrics, test);
    return isnan(value) ? metric_find(record->metrics, record->n_metrics, train) : value;
}

static void add_metrics(struct line *line, const struct round_record *record)
{
    char text[HUMAN_BYTES];
    double loss = round_metric(record, "test_loss", "train_loss");
    double accuracy = round_metric(record, "test_accuracy", "train_accuracy");
    if (!isnan(loss))
        line_add(line, "", "  loss %s", human_metric(loss, text));
    if (!isnan(accuracy))
        line_add(line, BOLD, "  accuracy %s", human_metric(accuracy, text));
}

static double seconds_left(const struct progress *progress)
{
    uint32_t n = progress->n_done < RECENT_ROUNDS ? progress->n_done : RECENT_ROUNDS;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += progress->recent[i];
    uint32_t done = progress->last.round;
    if (n == 0 || done >= progress->options.rounds)
        return NAN;
    return sum / n * (progress->options.rounds - done);
}

static void add_time_left(struct line *line, const struct progress *progress)
{
    char text[HUMAN_BYTES];
    double left = seconds_left(progress);
    if (!isnan(left))
        line_add(line, DIM, "  %s left", human_seconds(left, text));
}

static int digits_of(uint32_t n)
{
    return snprintf(NULL, 0, "%" PRIu32, n);
}

static void add_cells(struct line *line, const char *style, const char *cell, size_t n)
{
    char text[4 * BAR_CELLS_MAX] = "";
    for (size_t i = 0, at = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s", cell);
    line_add(line, style, "%s", text);
}

static void add_bar(struct line *line, const struct progress *progress)
{
    size_t cells = line->limit_columns / 3;
    cells = cells > BAR_CELLS_MAX ? BAR_CELLS_MAX : cells;
    if (cells < 6)
        return;
    double share = 0;
    if (progress->options.rounds > 0) {
        double within = progress->n_selected ? (double)progress->n_summaries / progress->n_selected : 0;
        uint32_t before = progress->round > 0 ? progress->round - 1 : 0;
        double done = progress->round == progress->last.round ? progress->last.round : before + within;
        share = fmin(done / progress->options.rounds, 1);
    }
    size_t full = (size_t)(share * (double)cells + 1e-9);
    add_cells(line, CYAN, progress->unicode ? "━" : "#", full);
    add_cells(line, DIM, progress->unicode ? "─" : "-", cells - full);
}

static void draw(struct progress *progress)
{
    if (progress->options.quiet || !progress->options.live)
        return;
    struct line line = line_open(progress);
    add_bar(&line, progress);
    if (progress->round)
        line_add(&line, BOLD, " %" PRIu32 "/%" PRIu32, progress->round, progress->options.rounds);
    if (progress->note[0])
        line_add(&line, "", "  %s", progress->note);
    else if (progress->n_selected)
        line_add(&line, "", "  %" PRIu32 "/%" PRIu32 " in", progress->n_summaries, progress->n_selected);
    add_time_left(&line, progress);
    if (!progress->note[0])
        add_metrics(&line, &progress->last);
    line_print(progress, &line, false);
    progress->drawn_ms = clock_monotonic_ms();
}

void progress_note(struct progress *progress, const char *format, ...)
{
    char note[sizeof progress->note];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
    if (strcmp(note, progress->note) == 0)
        return;
    memcpy(progress->note, note, sizeof note);
    if (progress->options.quiet || !note[0])
        return;
    if (progress->options.live) {
        draw(progress);
        return;
    }
    fprintf(progress->options.out, "%s\n", note);
    fflush(progress->options.out);
}

void progress_round_started(struct progress *progress, uint32_t round, uint32_t n_selected)
{
    progress->round = round;
    progress->n_selected = n_selected;
    progress->n_summaries = 0;
    progress->note[0] = '\0';
    if (clock_monotonic_ms() - progress->drawn_ms >= REDRAW_MS)
        draw(progress);
}

void progress_summary(struct progress *progress)
{
    progress->n_summaries++;
    if (clock_monotonic_ms() - progress->drawn_ms >= REDRAW_MS)
        draw(progress);
}

// On a terminal, a long experiment shows about twenty of its rounds, the first and the last among them.
static bool round_is_shown(const struct progress *progress, uint32_t round)
{
    uint32_t rounds = progress->options.rounds;
    if (!progress->options.live || rounds <= LINES_MAX)
        return true;
    return round == 1 || round == rounds || round % (rounds / (LINES_MAX / 2)) == 0;
}

static void print_round(struct progress *progress, const struct round_record *record)
{
    char text[HUMAN_BYTES];
    struct line line = line_open(progress);
    line_add(&line, BOLD, "round %*" PRIu32 "/%" PRIu32, digits_of(progress->options.rounds), record->round,
             progress->options.rounds);
    add_metrics(&line, record);
    line_add(&line, record->n_summaries < record->n_selected ? RED : "", "  %" PRIu32 "/%" PRIu32 " learners",
             record->n_summaries, record->n_selected);
    line_add(&line, "", "  %s", human_seconds(record->seconds, text));
    if (!progress->options.live)
        add_time_left(&line, progress);
    line_print(progress, &line, true);
}

void progress_round(struct progress *progress, const struct round_record *record)
{
    progress->last = *record;
    progress->round = record->round;
    progress->n_summaries = record->n_summaries;
    progress->n_selected = record->n_selected;
    progress->note[0] = '\0';
    progress->recent[progress->n_done++ % RECENT_ROUNDS] = record->seconds;
    if (progress->options.quiet)
        return;
    bool shown = round_is_shown(progress, record->round);
    if (shown)
        print_round(progress, record);
    if (shown || clock_monotonic_ms() - progress->drawn_ms >= REDRAW_MS)
        draw(progress);
}

static void finish_line(const struct progress *progress, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void finish_line(const struct progress *progress, const char *what, const char *format, ...)
{
    FILE *out = progress->options.out;
    va_list arguments;
    va_start(arguments, format);
    fprintf(out, "%s%-9s%s ", ink(progress, DIM), what, ink(progress, PLAIN));
    vfprintf(out, format, arguments);
    fputc('\n', out);
    va_end(arguments);
}

static void finish_result(const struct progress *progress, const struct run_summary *summary)
{
    char accuracy[HUMAN_BYTES], loss[HUMAN_BYTES];
    if (!isnan(summary->test_accuracy))
        finish_line(progress, "accuracy", "%s%s%s  on test data", ink(progress, BOLD),
                    human_metric(summary->test_accuracy, accuracy), ink(progress, PLAIN));
    if (!isnan(summary->test_loss))
        finish_line(progress, "loss", "%s  on test data", human_metric(summary->test_loss, loss));
    else if (!isnan(summary->train_loss))
        finish_line(progress, "loss", "%s  in training", human_metric(summary->train_loss, loss));
    if (isfinite(summary->local_accuracy))
        finish_line(progress, "learners", "%s  on their own held-out data, the worst %s",
                    human_metric(summary->local_accuracy, accuracy),
                    human_metric(summary->local_accuracy_worst, loss));
    if (summary->model_sha256 && summary->model_sha256[0])
        finish_line(progress, "model", "%.16s  %s parameters", summary->model_sha256,
                    human_count(summary->model_parameters, loss));
}

static void finish_cost(const struct progress *progress, const struct run_summary *summary)
{
    char up[HUMAN_BYTES], down[HUMAN_BYTES];
    finish_line(progress, "traffic", "%s up, %s down", human_bytes(summary->bytes_up, up),
                human_bytes(summary->bytes_down, down));
    if (summary->summaries_rejected)
        finish_line(progress, "rejected", "%s summaries; metrics.jsonl says why",
                    human_count(summary->summaries_rejected, up));
}

void progress_finish(struct progress *progress, const struct run_summary *summary, const char *folder)
{
    FILE *out = progress->options.out;
    if (progress->options.quiet)
        return;
    if (progress->line_open)
        fputs("\r\033[K", out);
    progress->line_open = false;
    char time[HUMAN_BYTES];
    bool good = strcmp(summary->status, "completed") == 0 || strcmp(summary->status, "stopped_early") == 0;
    fprintf(out, "\n%s%s%s%s %s, %" PRIu32 " %s in %s\n", ink(progress, BOLD),
            ink(progress, good ? GREEN : RED), progress->experiment, ink(progress, PLAIN),
            strcmp(summary->status, "stopped_early") == 0 ? "stopped early" : summary->status,
            summary->rounds, summary->rounds == 1 ? "round" : "rounds",
            human_seconds(summary->wall_seconds, time));
    if (summary->message && *summary->message)
        finish_line(progress, good ? "note" : "why", "%s", summary->message);
    finish_result(progress, summary);
    finish_cost(progress, summary);
    if (folder) {
        const char *slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
        finish_line(progress, "files", "%s%s", folder, slash);
        finish_line(progress, "report", "%s%sreport.html  (open it in a browser)", folder, slash);
    }
    fflush(out);
}
