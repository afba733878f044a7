// grpc.reflection.v1 and v1alpha, whose messages are the same on the wire: which services there are, and the
// files that describe them.
#include "base/memory.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "rpc/rpc_impl.h"
#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 64 };

// An answer under construction; its lists are our own.
struct answer {
    grpc_reflection_v1_ServerReflectionResponse response;
    pb_bytes_array_t *files[FILES_MAX];
    const uint8_t *seen[FILES_MAX]; // the files' places, to send each once
    size_t n_files;
    grpc_reflection_v1_ServiceResponse *services;
    bool no_memory;
};

static void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < answer->n_files; i++)
        memory_free(answer->files[i]);
    memory_free(answer->services);
    memory_free(answer);
}

static void answer_error(struct answer *answer, enum status status, const char *what, const char *thing)
{
    grpc_reflection_v1_ErrorResponse *error = &answer->response.message_response.error_response;
    answer->response.which_message_response = grpc_reflection_v1_ServerReflectionResponse_error_response_tag;
    memset(error, 0, sizeof *error);
    error->error_code = status;
    snprintf(error->error_message, sizeof error->error_message, "%s '%s'", what, thing);
}

// ---- files

static void add_import(void *user, const char *name, size_t n);

static void add_file(struct answer *answer, const struct descriptor_file *file)
{
    for (size_t i = 0; i < answer->n_files; i++)
        if (answer->seen[i] == file->bytes)
            return;
    if (answer->n_files == FILES_MAX)
        return;
    pb_bytes_array_t *copy = memory_alloc(PB_BYTES_ARRAY_T_ALLOCSIZE(file->n));
    if (!copy) {
        answer->no_memory = true;
        return;
    }
    copy->size = (pb_size_t)file->n;
    memcpy(copy->bytes, file->bytes, file->n);
    answer->files[answer->n_files] = copy;
    answer->seen[answer->n_files++] = file->bytes;
    descriptor_imports(file, add_import, answer);
}

static void add_import(void *user, const char *name, size_t n)
{
    struct descriptor_file file;
    if (descriptor_by_name(name, n, &file))
        add_file(user, &file);
}

static void answer_files(struct answer *answer, const struct descriptor_file *file)
{
    add_file(answer, file);
    grpc_reflection_v1_FileDescriptorResponse *files =
        &answer->response.message_response.file_descriptor_response;
    answer->response.which_message_response =
        grpc_reflection_v1_ServerReflectionResponse_file_descriptor_response_tag;
    files->file_descriptor_proto_count = (pb_size_t)answer->n_files;
    files->file_descriptor_proto = answer->files;
}

// ---- services

static void answer_services(struct answer *answer, const struct reflection *reflection)
{
    answer->services = memory_array(reflection->n_services, sizeof *answer->services);
    if (!answer->services) {
        answer->no_memory = true;
        return;
    }
    for (size_t i = 0; i < reflection->n_services; i++)
        snprintf(answer->services[i].name, sizeof answer->services[i].name, "%s",
                 reflection->services[i].name);
    grpc_reflection_v1_ListServiceResponse *list = &answer->response.message_response.list_services_response;
    answer->response.which_message_response =
        grpc_reflection_v1_ServerReflectionResponse_list_services_response_tag;
    list->service_count = (pb_size_t)reflection->n_services;
    list->service = answer->services;
}

// ---- the stream

static void answer_to(struct answer *answer, const struct reflection *reflection,
                      const grpc_reflection_v1_ServerReflectionRequest *request)
{
    struct descriptor_file file;
    switch (request->which_message_request) {
    case grpc_reflection_v1_ServerReflectionRequest_list_services_tag:
        answer_services(answer, reflection);
        break;
    case grpc_reflection_v1_ServerReflectionRequest_file_by_filename_tag: {
        const char *name = request->message_request.file_by_filename;
        if (descriptor_by_name(name, strlen(name), &file))
            answer_files(answer, &file);
        else
            answer_error(answer, STATUS_NOT_FOUND, "there is no file", name);
        break;
    }
    case grpc_reflection_v1_ServerReflectionRequest_file_containing_symbol_tag: {
        const char *symbol = request->message_request.file_containing_symbol;
        if (descriptor_by_symbol(symbol, &file))
            answer_files(answer, &file);
        else
            answer_error(answer, STATUS_NOT_FOUND, "there is no symbol", symbol);
        break;
    }
    case grpc_reflection_v1_ServerReflectionRequest_file_containing_extension_tag:
        answer_error(answer, STATUS_NOT_FOUND, "there are no extensions of",
                     request->message_request.file_containing_extension.containing_type);
        break;
    case grpc_reflection_v1_ServerReflectionRequest_all_extension_numbers_of_type_tag:
        answer_error(answer, STATUS_NOT_FOUND, "there are no extensions of",
                     request->message_request.all_extension_numbers_of_type);
        break;
    default:
        answer_error(answer, STATUS_INVALID_ARGUMENT, "the request asks for nothing known to", "reflection");
        break;
    }
}

static void send_answer(struct rpc_call *call, struct answer *answer)
{
    struct error error = ERROR_INIT;
    if (answer->no_memory)
        error_no_memory(&error, sizeof *answer);
    else if (rpc_call_send(call, grpc_reflection_v1_ServerReflectionResponse_fields, &answer->response,
                           &error) == STATUS_OK)
        return;
    rpc_call_fail(call, &error);
}

static void message(struct rpc_call *call, struct rpc_message *received, void *user)
{
    struct error error = ERROR_INIT;
    struct answer *answer = memory_zalloc(sizeof *answer);
    if (!answer) {
        error_no_memory(&error, sizeof *answer);
        rpc_call_fail(call, &error);
        return;
    }
    grpc_reflection_v1_ServerReflectionRequest *request = &answer->response.original_request;
    if (rpc_message_decode(received, grpc_reflection_v1_ServerReflectionRequest_fields, request, &error) ==
        STATUS_OK) {
        answer->response.has_original_request = true;
        memcpy(answer->response.valid_host, request->host, sizeof request->host);
        answer_to(answer, user, request);
        send_answer(call, answer);
        rpc_call_receive(call);
    } else {
        rpc_call_fail(call, &error);
    }
    answer_free(answer);
}

static void ended(struct rpc_call *call, void *user)
{
    rpc_call_finish(call, STATUS_OK, NULL);
}

static void info(struct rpc_call *call, void *service)
{
    static const struct rpc_events events = {.message = message, .ended = ended};
    rpc_call_set_events(call, &events, service);
    rpc_call_receive(call);
}

const struct rpc_method reflection_v1_methods[] = {
    {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .open = info},
    {0},
};
const struct rpc_method reflection_v1alpha_methods[] = {
    {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .open = info},
    {0},
};
