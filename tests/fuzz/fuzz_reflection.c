// Reflection requests: decoded, and answered by looking for the file or symbol among the descriptors.
#include "fuzz.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "rpc/rpc_impl.h"
#include <pb_decode.h>
#include <string.h>

static void visit(void *user, const char *name, size_t n)
{
    struct descriptor_file file;
    size_t *depth = user;
    fuzz_require(n > 0 && descriptor_by_name(name, n, &file)); // every import is there
    fuzz_require(++*depth < 64);
    descriptor_imports(&file, visit, depth);
}

static void look(bool found, const struct descriptor_file *file)
{
    size_t depth = 0;
    if (found)
        descriptor_imports(file, visit, &depth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    grpc_reflection_v1_ServerReflectionRequest request = grpc_reflection_v1_ServerReflectionRequest_init_zero;
    struct descriptor_file file;
    size_t cut = fuzz_byte(&data, &n);
    struct rpc_message message = fuzz_message(data, n, cut);
    if (rpc_message_decode(&message, grpc_reflection_v1_ServerReflectionRequest_fields, &request, NULL) ==
        STATUS_OK) {
        const char *name = request.message_request.file_by_filename;
        if (request.which_message_request == grpc_reflection_v1_ServerReflectionRequest_file_by_filename_tag)
            look(descriptor_by_name(name, strlen(name), &file), &file);
        if (request.which_message_request ==
            grpc_reflection_v1_ServerReflectionRequest_file_containing_symbol_tag)
            look(descriptor_by_symbol(request.message_request.file_containing_symbol, &file), &file);
        pb_release(grpc_reflection_v1_ServerReflectionRequest_fields, &request);
    }
    fuzz_message_release(&message);
    return 0;
}
