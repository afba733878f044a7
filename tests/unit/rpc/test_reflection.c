#include "base/memory.h"
#include "echo.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include <criterion/criterion.h>
#include <pb_decode.h>
#include <string.h>

static struct echo echo;

static void start(void)
{
    echo_start(&echo, NULL, 1);
}

static void stop(void)
{
    echo_stop(&echo);
}

TestSuite(reflection, .init = start, .fini = stop, .timeout = 60);

struct asked {
    struct watch watch;
    grpc_reflection_v1_ServerReflectionResponse response;
};

static void got_response(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct asked *asked = user;
    pthread_mutex_lock(&asked->watch.lock);
    if (rpc_message_decode(message, grpc_reflection_v1_ServerReflectionResponse_fields, &asked->response,
                           NULL) == STATUS_OK)
        asked->watch.n_messages++;
    pthread_cond_broadcast(&asked->watch.changed);
    pthread_mutex_unlock(&asked->watch.lock);
}

static void ask(struct asked *asked, const char *path,
                const grpc_reflection_v1_ServerReflectionRequest *request)
{
    static struct rpc_events events;
    events = (struct rpc_events){.message = got_response, .closed = watch_attend.closed};
    watch_init(&asked->watch);
    cr_assert_eq(rpc_call_start(&asked->watch.call, echo.channel, path, 0, true, &events, asked, NULL),
                 STATUS_OK);
    rpc_call_send(asked->watch.call, grpc_reflection_v1_ServerReflectionRequest_fields, request, NULL);
    rpc_call_receive(asked->watch.call);
    cr_assert(watch_wait(&asked->watch, &asked->watch.n_messages, 1));
    rpc_call_end(asked->watch.call);
    cr_assert(watch_wait(&asked->watch, &asked->watch.n_closed, 1));
    cr_assert_eq(asked->watch.status, STATUS_OK, "%s", asked->watch.message);
    rpc_call_unref(asked->watch.call);
}

static const char v1[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
static const char v1alpha[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

static void ask_symbol(struct asked *asked, const char *path, const char *symbol)
{
    grpc_reflection_v1_ServerReflectionRequest request = grpc_reflection_v1_ServerReflectionRequest_init_zero;
    request.which_message_request = grpc_reflection_v1_ServerReflectionRequest_file_containing_symbol_tag;
    strcpy(request.message_request.file_containing_symbol, symbol);
    ask(asked, path, &request);
}

static bool has_file(const struct asked *asked, const char *name)
{
    const grpc_reflection_v1_FileDescriptorResponse *files =
        &asked->response.message_response.file_descriptor_response;
    for (size_t i = 0; i < files->file_descriptor_proto_count; i++) {
        const pb_bytes_array_t *file = files->file_descriptor_proto[i];
        // field 1, the name, comes first
        if (file->size > 2 + strlen(name) && file->bytes[0] == 0x0a && file->bytes[1] == strlen(name) &&
            memcmp(file->bytes + 2, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static void release(struct asked *asked)
{
    pb_release(grpc_reflection_v1_ServerReflectionResponse_fields, &asked->response);
}

Test(reflection, the_services_are_listed)
{
    static const char *const expected[] = {"cohort.v1.Exchange", "grpc.health.v1.Health",
                                           "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection"};
    struct asked asked;
    grpc_reflection_v1_ServerReflectionRequest request = grpc_reflection_v1_ServerReflectionRequest_init_zero;
    request.which_message_request = grpc_reflection_v1_ServerReflectionRequest_list_services_tag;
    strcpy(request.host, "here");
    ask(&asked, v1, &request);
    cr_assert_str_eq(asked.response.valid_host, "here");
    const grpc_reflection_v1_ListServiceResponse *list =
        &asked.response.message_response.list_services_response;
    cr_assert_eq(list->service_count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        cr_assert_str_eq(list->service[i].name, expected[i]);
    release(&asked);
}

Test(reflection, a_symbol_brings_its_file_and_what_it_imports)
{
    static const char *const symbols[] = {"cohort.v1.Exchange", "cohort.v1.Exchange.Attend",
                                          "cohort.v1.AttendRequest", "cohort.v1.OfferSummaryResponse.Answer"};
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        struct asked asked;
        ask_symbol(&asked, i % 2 ? v1alpha : v1, symbols[i]);
        cr_assert_eq(asked.response.which_message_response,
                     grpc_reflection_v1_ServerReflectionResponse_file_descriptor_response_tag, "%s",
                     symbols[i]);
        cr_assert_eq(asked.response.message_response.file_descriptor_response.file_descriptor_proto_count, 3);
        cr_assert(has_file(&asked, "cohort/v1/exchange.proto"));
        cr_assert(has_file(&asked, "cohort/v1/coordinator.proto"));
        cr_assert(has_file(&asked, "cohort/v1/types.proto"));
        release(&asked);
    }
}

Test(reflection, a_file_is_found_by_its_name)
{
    struct asked asked;
    grpc_reflection_v1_ServerReflectionRequest request = grpc_reflection_v1_ServerReflectionRequest_init_zero;
    request.which_message_request = grpc_reflection_v1_ServerReflectionRequest_file_by_filename_tag;
    strcpy(request.message_request.file_by_filename, "grpc/health/v1/health.proto");
    ask(&asked, v1, &request);
    cr_assert(has_file(&asked, "grpc/health/v1/health.proto"));
    release(&asked);
}

Test(reflection, what_is_not_there_is_an_error_response)
{
    static const char *const symbols[] = {
        "cohort.v1.Exchang", "cohort.v1.Exchange.Attendx", "cohort.v1", "cohort.v1.", "", "AttendRequest"};
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        struct asked asked;
        ask_symbol(&asked, v1, symbols[i]);
        cr_assert_eq(asked.response.which_message_response,
                     grpc_reflection_v1_ServerReflectionResponse_error_response_tag, "%s", symbols[i]);
        cr_assert_eq(asked.response.message_response.error_response.error_code, STATUS_NOT_FOUND);
        release(&asked);
    }
}
